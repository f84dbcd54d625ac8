#!/usr/bin/env bash
# From a clone to a distilled, exported and measured student with pictures to look at. Ten minutes on two cores, no GPU.
set -euo pipefail
cd "$(dirname "$0")"
./setup.sh
venv=$(cd "${VENV:-.venv}" && pwd)
export PATH="$venv/bin:$PATH"
out=runs/quickstart
rm -rf "$out"

step() { echo; echo "\$ $*"; "$@"; }
step distill --teacher adain --width 0.25 --preset quick --out "$out"
step brushlet export "$out" --format onnx -o "$out/bundle"
step python -m distill.data "$out/samples"
for style in "$out"/samples/style/*.png; do
    step brushlet stylize "$out"/samples/content/*.png --style "$style" --model "$out/bundle" -o "$out/pictures/$(basename "$style" .png)"
done
step brushlet bench "$out/bundle" --size 512 --vs teacher -o "$out/record.json"
echo
echo "student  $out/student.safetensors"
echo "bundle   $out/bundle   (any device with: pip install brushlet)"
echo "pictures $out/pictures; beside teacher and style: $out/sheets/final.png"
