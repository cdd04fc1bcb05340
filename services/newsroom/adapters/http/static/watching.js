// Live progress; without this script the page reloads by itself.
"use strict";

const shown = document.querySelector("[data-stream]");
const stream = new EventSource(shown.dataset.stream);
stream.addEventListener("message", (event) => {
  shown.innerHTML = event.data;
});
stream.addEventListener("end", () => stream.close());
