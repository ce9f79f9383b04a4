"use strict";
const svg = document.querySelector("svg.picture");
const boxes = [...svg.querySelectorAll("[data-box]")];
const marks = [...svg.querySelectorAll("[data-of]")];
const lines = [...svg.querySelectorAll("[data-ways]")];
const text = new Map(boxes.map(box => [box, box.querySelector("title").textContent.toLowerCase()]));
const search = document.querySelector("input"), count = document.querySelector("#count");

// What a CI stands on, and what stands on it.
const ways = new Map(lines.map(line => [line, line.dataset.ways.split(" ").map(way => way.split(">"))]));
const below = {}, above = {};
for (const [dependent, provider] of [...ways.values()].flat()) {
  (below[dependent] ??= new Set()).add(provider);
  (above[provider] ??= new Set()).add(dependent);
}
function reached(from, next) {
  const seen = new Set([from]);
  for (const box of seen) for (const other of next[box] ?? []) seen.add(other); // it grows on the way
  return seen;
}
let pinned = null;
function light(box) {
  svg.classList.toggle("chosen", box !== null);
  const down = box ? reached(box.dataset.box, below) : new Set();
  const up = box ? reached(box.dataset.box, above) : new Set();
  const near = number => down.has(number) || up.has(number);
  for (const one of boxes) {
    one.classList.toggle("lit", near(one.dataset.box));
    one.classList.toggle("here", one === box);
  }
  for (const mark of marks) mark.classList.toggle("lit", near(mark.dataset.of));
  for (const line of lines) line.classList.toggle("lit", ways.get(line).some(([a, b]) => down.has(a) || up.has(b)));
}
const boxOf = event => event.target.closest("[data-box]");
svg.addEventListener("pointerover", event => pinned || light(boxOf(event)));
svg.addEventListener("focusin", event => pinned || light(boxOf(event)));
function pin(box) {
  pinned = box === pinned ? null : box;
  light(pinned);
}

// Looking around.
const all = svg.getAttribute("viewBox").split(" ").map(Number);
let [x, y, width, height] = all;
const show = () => svg.setAttribute("viewBox", [x, y, width, height].join(" "));
const place = event => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
function zoom(times, to = { x: x + width / 2, y: y + height / 2 }) {
  x = to.x - (to.x - x) * times;
  y = to.y - (to.y - y) * times;
  width *= times;
  height *= times;
  show();
}
svg.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(Math.exp(event.deltaY * (event.deltaMode ? 0.03 : 0.0015)), place(event));
}, { passive: false });
let held = null, moved = false;
svg.addEventListener("pointerdown", event => { held = event; moved = false; });
addEventListener("pointermove", event => {
  if (!held || !moved && Math.hypot(event.clientX - held.clientX, event.clientY - held.clientY) < 5) return;
  const from = place(held), to = place(event);
  x += from.x - to.x;
  y += from.y - to.y;
  held = event;
  moved = true;
  show();
});
addEventListener("pointerup", event => {
  if (held && !moved) pin(boxOf(event));
  held = null;
});
addEventListener("pointercancel", () => { held = null; });
const [closer, farther, whole] = document.querySelectorAll("button");
closer.onclick = () => zoom(0.7);
farther.onclick = () => zoom(1 / 0.7);
whole.onclick = () => { [x, y, width, height] = all; show(); };

// Searching.
let found = [], next = 0;
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  found = words.length ? boxes.filter(box => words.every(word => text.get(box).includes(word))) : [];
  next = 0;
  svg.classList.toggle("searching", words.length > 0);
  for (const box of boxes) box.classList.remove("next");
  for (const box of boxes) box.classList.toggle("found", found.includes(box));
  count.textContent = words.length ? `${found.length} / ${boxes.length}` : "";
});
search.addEventListener("keydown", event => {
  if (event.key !== "Enter" || !found.length) return;
  for (const box of boxes) box.classList.remove("next");
  const box = found[next++ % found.length];
  box.classList.add("next");
  const { x: left, y: top, width: wide, height: high } = box.getBBox();
  width = Math.min(width, 1200);
  height = width * svg.clientHeight / svg.clientWidth;
  x = left + wide / 2 - width / 2;
  y = top + high / 2 - height / 2;
  show();
});
addEventListener("keydown", event => {
  if (event.key === "Escape") { pinned = null; light(null); }
  if (event.key === "Enter" && event.target.dataset.box) pin(event.target);
});
