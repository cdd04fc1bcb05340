// All pages work without this script; it only saves steps.
"use strict";

// After an act, its message gets the focus, so that screen readers start there.
document.querySelector("[data-focus]")?.focus();

// It is about that moment: the page, loaded again, does not repeat what may no longer be so.
const address = new URL(location.href);
if (address.searchParams.has("erledigt")) {
  address.searchParams.delete("erledigt");
  history.replaceState(history.state, "", address);
}

// The browser makes a better PDF than a library would: tagged, with the page's own headings and table.
const printer = document.querySelector("[data-print]");
printer?.removeAttribute("hidden");
printer?.addEventListener("click", () => window.print());

// Block a second submission while the first is in flight: the browser would show only the second response.
let submitted = new WeakSet();
addEventListener("pageshow", () => { submitted = new WeakSet(); });
addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (submitted.has(event.target)) { event.preventDefault(); return; }
  submitted.add(event.target);
  setTimeout(() => submitted.delete(event.target), 10000);  // the request may have been lost
});

// What was written and could not be saved is only on this page.
addEventListener("beforeunload", (event) => {
  const form = document.querySelector("form[data-unsaved]");
  if (form && !submitted.has(form) && !document.activeElement?.matches("[data-discard]")) event.preventDefault();
});
