#!/usr/bin/env bash
# Measures the example records on this machine; README.md beside this says how to call it.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: $0 MACHINE DATA [OPTION ...]" >&2
    exit 2
fi
machine=$1
data=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
shift 2

# A record keeps its command line: names in a folder of its own say nothing of where this machine keeps its files.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$data/weights" "$data/content/bsds500" "$data/style/paintings" "$work"
cd "$work"

brushlet bench adain-w025 --vs adain-w0125 --vs adain-w05 \
    --engine onnxruntime --engine openvino --precision fp32 --precision int8 \
    --size 256 --size 512 --size 1024 --threads 1 --threads 2 \
    -o "$machine-matrix.json" "$@"
brushlet bench adain-w025 --precision fp32 --precision int8 --size 384 --size 512 \
    --peers --peer-weights weights --content bsds500 --style paintings \
    -o "$machine-peers.json" "$@"
brushlet bench adain-w025 --engine onnxruntime --engine openvino --precision fp32 --precision int8 \
    --size 512 --size 1024 \
    --peer microast --peer-precision fp32 --peer-precision int8 --peer-weights weights --content bsds500 --style paintings \
    -o "$machine-engines.json" "$@"
mv -- *.json *.svg "$here"
