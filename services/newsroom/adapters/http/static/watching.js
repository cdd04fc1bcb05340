// Live progress; without this script the page reloads by itself.
"use strict";

const shown = document.querySelector("[data-stream]");
const stream = new EventSource(shown.dataset.stream);
// Whoever scrolls in the table by keyboard keeps their place; the newest waits until they leave it.
let newest = null;
const show = () => {
  if (newest === null || shown.contains(document.activeElement)) return;
  shown.innerHTML = newest;
  newest = null;
};
stream.addEventListener("message", (event) => {
  newest = event.data;
  show();
});
shown.addEventListener("focusout", () => setTimeout(show));
stream.addEventListener("end", () => {
  stream.close();
  const ended = document.querySelector("[data-ended]");
  if (ended) ended.textContent = ended.dataset.ended;
});
