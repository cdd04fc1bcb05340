// Everything works without this script; it only saves steps.
"use strict";

// After an act, the message about it gets the focus, so that screen readers begin there.
document.querySelector("[data-focus]")?.focus();

// The browser makes a better PDF than a library would: tagged, with the page's own headings and table.
const printer = document.querySelector("[data-print]");
printer?.removeAttribute("hidden");
printer?.addEventListener("click", () => window.print());

// A second press while the first is on its way: of its answer only the second's would be seen.
let sent = new WeakSet();
addEventListener("pageshow", () => { sent = new WeakSet(); });
addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (sent.has(event.target)) { event.preventDefault(); return; }
  sent.add(event.target);
  setTimeout(() => sent.delete(event.target), 10000);  // the way may have been lost
});
