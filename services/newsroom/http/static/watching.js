// Live progress; without this script the page reloads by itself.
"use strict";

const FIRST_WAIT_SECONDS = 5;
const shown = document.querySelector("[data-stream]");
const lost = document.querySelector("[data-lost]");
// Whoever scrolls in the table by keyboard keeps their place; the newest waits until they leave it. What looks as before is
// not read aloud once more.
let newest = null;
let told = "";
const show = () => {
  if (newest === null || shown.contains(document.activeElement)) return;
  shown.innerHTML = newest;
  newest = null;
};
shown.addEventListener("focusout", () => setTimeout(show));

let stream;
let wait = FIRST_WAIT_SECONDS;
let failures = 0;
function watch() {
  stream = new EventSource(shown.dataset.stream);
  stream.addEventListener("open", () => {
    lost.hidden = true;
    wait = FIRST_WAIT_SECONDS;
    failures = 0;
  });
  stream.addEventListener("message", (event) => {
    if (event.data === told) return;
    newest = told = event.data;
    show();
  });
  stream.addEventListener("end", () => {
    stream.close();
    if ("reload" in shown.dataset) location.reload();  // only once: another page comes after this one
    const ended = document.querySelector("[data-ended]");
    if (ended) ended.textContent = ended.dataset.ended;
  });
  // One failure is the end of a stream, after which the browser comes back by itself. After an answer that is no stream
  // it never asks again; after a while there may be one, or never.
  stream.addEventListener("error", () => {
    failures += 1;
    const isClosed = stream.readyState === EventSource.CLOSED;
    if (isClosed || failures > 1) lost.hidden = false;
    if (!isClosed) return;
    setTimeout(watch, wait * 1000);
    wait *= 2;
  });
}
watch();
