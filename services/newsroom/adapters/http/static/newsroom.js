// Everything works without this script; it only saves steps.
"use strict";

// After an act, the message about it gets the focus, so that screen readers begin there.
document.querySelector("[data-focus]")?.focus();

// The browser makes a better PDF than a library would: tagged, with the page's own headings and table.
const printer = document.querySelector("[data-print]");
printer?.removeAttribute("hidden");
printer?.addEventListener("click", () => window.print());
