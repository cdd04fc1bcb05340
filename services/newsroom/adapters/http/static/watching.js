// Live progress; without this script the page reloads by itself.
"use strict";

const shown = document.querySelector("[data-stream]");
const stream = new EventSource(shown.dataset.stream);
stream.addEventListener("message", (event) => {
  // Whoever scrolls in the table by keyboard keeps their place.
  if (!shown.contains(document.activeElement)) shown.innerHTML = event.data;
});
stream.addEventListener("end", () => {
  stream.close();
  const ended = document.querySelector("[data-ended]");
  if (ended) ended.textContent = ended.dataset.ended;
});
