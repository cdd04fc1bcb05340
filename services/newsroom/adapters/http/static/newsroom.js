// Everything works without this script; it only saves steps.
"use strict";

// After an act, the message about it gets the focus, so that screen readers begin there.
document.querySelector("[data-focus]")?.focus();
