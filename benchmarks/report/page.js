"use strict";

// Before and after: the handle says how much of the photo covers the painting.
for (const box of document.querySelectorAll(".slider")) {
  const handle = box.querySelector("input");
  const move = () => box.style.setProperty("--cut", handle.value + "%");
  handle.addEventListener("input", move);
  move();
}

// Names beside the points of a plot, wherever they do not cover one another; the others keep their numbers.
const names = [...document.querySelectorAll(".losses .point .title")];
const overlaps = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
function placeNames() {
  for (const plot of document.querySelectorAll(".losses .field")) {
    const taken = [...plot.querySelectorAll(".dot")].map((dot) => dot.getBoundingClientRect());
    const frame = plot.getBoundingClientRect();
    for (const name of plot.querySelectorAll(".title")) {
      const fits = ["east", "west", "north", "south"].some((side) => {
        name.dataset.side = side;
        const own = name.getBoundingClientRect();
        return own.left >= frame.left && own.right <= frame.right && !taken.some((other) => overlaps(own, other));
      });
      if (fits) taken.push(name.getBoundingClientRect());
      else name.dataset.side = "none";
    }
  }
}
if (names.length) {
  placeNames();
  addEventListener("resize", placeNames);
}
