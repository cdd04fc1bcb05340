// Live updates; without this script the page reloads periodically.
"use strict";

const INITIAL_RETRY_SECONDS = 5;
const target = document.querySelector("[data-stream]");
const lostNotice = document.querySelector("[data-lost]");
// Updates wait while the focus is inside, so that scrolling by keyboard keeps its position. Identical content is ignored, as
// screen readers would announce it again.
let pendingHtml = null;
let received = "";
const render = () => {
  if (pendingHtml === null || target.contains(document.activeElement)) return;
  target.innerHTML = pendingHtml;
  pendingHtml = null;
};
target.addEventListener("focusout", () => setTimeout(render));

let stream;
let retrySeconds = INITIAL_RETRY_SECONDS;
let failures = 0;
function connect() {
  stream = new EventSource(target.dataset.stream);
  stream.addEventListener("open", () => {
    lostNotice.hidden = true;
    retrySeconds = INITIAL_RETRY_SECONDS;
    failures = 0;
  });
  stream.addEventListener("message", (event) => {
    if (event.data === received) return;
    pendingHtml = received = event.data;
    render();
  });
  stream.addEventListener("end", () => {
    stream.close();
    if ("reload" in target.dataset) location.reload();  // once: the reloaded page has no stream
    const endNotice = document.querySelector("[data-ended]");
    if (endNotice) endNotice.textContent = endNotice.dataset.ended;
  });
  // After a single failure the browser reconnects on its own. If the response is not a stream it gives up, so retry here.
  stream.addEventListener("error", () => {
    failures += 1;
    const isClosed = stream.readyState === EventSource.CLOSED;
    if (isClosed || failures > 1) lostNotice.hidden = false;
    if (!isClosed) return;
    setTimeout(connect, retrySeconds * 1000);
    retrySeconds *= 2;
  });
}
connect();
