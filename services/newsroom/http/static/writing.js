// The page works without this script, which updates the preview while somebody writes, and saves automatically.
"use strict";

const form = document.querySelector("form[data-autosave]");
const preview = document.querySelector("[data-preview-target]");
const [pending, saved, login] = ["pending", "saved", "login"].map((name) => form.querySelector(`[data-${name}]`));

let previewRequests = 0;
async function showPreview() {
  const requestNumber = ++previewRequests;
  const response = await fetch(form.dataset.preview, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (response.ok && requestNumber === previewRequests) preview.innerHTML = await response.text();
}

const SAVE_DELAY = 5000;
const RETRY_DELAY = 3000;
const TIMEOUT = 10000;
let previewTimer, saveTimer;
let unsaved = false;
let isSaving = false;
let isRefused = false;
let loginProblem = "";  // why this page cannot save any more
let needsLogin = false;
let mustStay = false;  // the right to write is lost, so no other page would show the text
let isResubmitting = false;
let unansweredBody = null;  // may have been stored, so the same body is sent again before any other
form.addEventListener("input", () => {
  clearTimeout(previewTimer);
  previewTimer = setTimeout(() => showPreview().catch(() => {}), 400);
  unsaved = true;
  showPending("Noch nicht gespeichert.");
  planSave(SAVE_DELAY);
});

// Never shows an outdated success; screen readers announce only results, not every change.
function showPending(words) {
  document.querySelector("[data-until-written]")?.classList.add("nw-past");
  if (saved.classList.contains("nw-problem")) return;
  saved.textContent = "";
  pending.textContent = words;
}
function showStatus(words, isProblem) {
  pending.textContent = "";
  saved.classList.toggle("nw-problem", isProblem);
  saved.textContent = words;
  login.hidden = !needsLogin;
}

// A date field without a time has the same value as an empty one, so it is marked as incomplete. The browser's own check
// would also block drafts that may be stored.
form.noValidate = true;
const incompleteDateTemplate = form.querySelector("[data-half-date]").content.firstElementChild;
function findIncompleteDate() {
  const dates = [...form.querySelectorAll("input[type=datetime-local]")];
  dates.forEach((field) => markDate(field, field.validity.badInput));
  return dates.find((field) => field.validity.badInput);
}
function markDate(field, isIncomplete) {
  const line = incompleteDateTemplate.cloneNode(true);
  line.id = `${field.id}-half`;
  document.getElementById(line.id)?.remove();
  if (isIncomplete) field.after(line);
  const describedBy = (field.getAttribute("aria-describedby") || "").split(" ").filter((id) => id && id !== line.id);
  field.setAttribute("aria-describedby", [...describedBy, ...(isIncomplete ? [line.id] : [])].join(" "));
  const isWrong = isIncomplete || describedBy.includes(`${field.id}-error`);
  field.setAttribute("aria-invalid", isWrong);
  field.classList.toggle("kern-form-input__input--error", isWrong);
}
form.addEventListener("input", ({ target }) => {
  if (document.getElementById(`${target.id}-half`) && !target.validity.badInput) markDate(target, false);
});

// One save at a time, as each has to name the version that the previous one created.
let saving = Promise.resolve();
function planSave(milliseconds) {
  clearTimeout(saveTimer);
  // Do not report a date as incomplete while it is being typed.
  const run = () => (document.activeElement?.validity?.badInput ? planSave(milliseconds) : beginSave());
  saveTimer = setTimeout(run, milliseconds);
}
function beginSave() {
  clearTimeout(saveTimer);
  saving = saving.then(save).catch(handleDisconnection);
}
function handleDisconnection() {
  unsaved = true;
  showStatus("Noch nicht gespeichert: keine Verbindung. Es wird von selbst wieder versucht.", true);
  planSave(RETRY_DELAY);
}
async function save() {
  if (findIncompleteDate()) {
    showStatus("Noch nicht gespeichert: Ein Zeitpunkt ist unvollständig.", true);
    return;
  }
  const isRetry = unansweredBody !== null;
  if (!isRetry) {
    unansweredBody = new URLSearchParams(new FormData(form));
    unansweredBody.set("then", "autosave");
    unsaved = false;
  }
  isSaving = true;  // until the page has the new version
  showPending("Wird gespeichert …");
  try {
    let response = await send(unansweredBody);
    loginProblem = isUnauthorized(response) ? await renewLogin() : "";
    if (isUnauthorized(response) && !loginProblem) {
      unansweredBody.set("csrf", form.elements.csrf.value);
      response = await send(unansweredBody);
    }
    unansweredBody = null;
    await handleResponse(response);
  } finally {
    isSaving = false;
  }
  if (isRetry && unsaved) await save();
}
async function send(body) {
  // `keepalive`: the request survives leaving the page.
  const response = await fetch(form.action, { method: "POST", body, keepalive: true, signal: AbortSignal.timeout(TIMEOUT) });
  if (response.status >= 500) throw new Error(response.status);
  return response;
}
function isUnauthorized(response) {
  return response.redirected || response.status === 401 || response.status === 403;
}
// Continue after a new login of the same account in another window; another account must not save this text. Returns the
// problem, empty if there is none.
async function renewLogin() {
  const response = await fetch(`${form.action}?bearbeiten=1`, { signal: AbortSignal.timeout(TIMEOUT) });
  if (response.status >= 500) throw new Error(response.status);
  needsLogin = response.redirected && new URL(response.url).pathname === login.querySelector("a").pathname;
  const newForm = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("form[data-autosave]");
  mustStay = !newForm;
  if (needsLogin) return "Sie sind abgemeldet.";
  if (!newForm) return "Sie dürfen hier nicht mehr schreiben. Kopieren Sie Ihren Text.";
  if (newForm.dataset.account !== form.dataset.account) return "In diesem Browser ist jetzt jemand anderes angemeldet.";
  document.querySelectorAll("input[name=csrf]").forEach((input) => (input.value = newForm.elements.csrf.value));
  return "";
}
async function handleResponse(response) {
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  if (response.ok && isJson && !response.redirected) {
    const { version } = await response.json();
    isRefused = needsLogin = mustStay = false;
    form.removeAttribute("data-unsaved");
    document.querySelectorAll("input[name=version]").forEach((input) => (input.value = version));
    showStatus(`Gespeichert um ${new Date().toLocaleTimeString("de-DE", { timeStyle: "short" })} Uhr.`, false);
    if (unsaved) showPending("Noch nicht gespeichert.");
    return;
  }
  unsaved = isRefused = true;
  if (loginProblem) {
    showStatus(`Noch nicht gespeichert: ${loginProblem}`, true);
  } else if (!isJson) {
    showStatus("Noch nicht gespeichert. Bitte speichern Sie selbst.", true);
  } else {
    const { refused } = await response.json();
    showStatus(
      refused
        ? `Noch nicht gespeichert. ${refused}`
        : "Noch nicht gespeichert: Inzwischen ist ein anderer Stand gespeichert. Speichern Sie, um beide zu sehen.",
      true,
    );
  }
}

form.addEventListener("change", beginSave);
window.addEventListener("online", () => unsaved && beginSave());
window.addEventListener("focus", () => loginProblem && beginSave());
window.addEventListener("beforeunload", (event) => {
  if (!unsaved || isReadyToSubmit) return;
  if (isSaving || isRefused || !navigator.onLine || findIncompleteDate()) event.preventDefault();
  else beginSave();
});
document.addEventListener("visibilitychange", () => document.hidden && unsaved && beginSave());

// Save before submitting, so that the form names the newest version; without a connection or a login the page and its text
// stay.
let isReadyToSubmit = false;
form.addEventListener("submit", (event) => {
  const incompleteDate = findIncompleteDate();
  if (isReadyToSubmit && !incompleteDate) return;
  event.preventDefault();
  isReadyToSubmit = false;
  if (incompleteDate) {
    incompleteDate.focus();
    return;
  }
  const { submitter } = event;
  clearTimeout(saveTimer);
  saving = saving
    .then(save)
    .then(() => mustStay || setTimeout(() => {  // a form cannot be resubmitted within its submit event
      isReadyToSubmit = true;
      form.requestSubmit(submitter);
    }))
    .catch(handleDisconnection);
});

// The other forms of the page name the version, too; without a connection, or a login of the same account, the page stays.
// If saving was refused, the browser asks whether to leave.
document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (target === form || isResubmitting || !(unsaved || isSaving)) return;
  event.preventDefault();
  if (unsaved) beginSave();
  saving.then(() => {
    if (unsaved && (!isRefused || loginProblem)) return;
    isResubmitting = true;
    target.requestSubmit(submitter);
    isResubmitting = false;
  });
});

// A fast writer, or a browser that restores form values, may have changed the form before this script ran.
const original = form.cloneNode(true);
original.reset();
const [current, initial] = [form, original].map((source) => new URLSearchParams(new FormData(source)).toString());
if (current !== initial || findIncompleteDate()) ["input", "change"].forEach((type) => form.dispatchEvent(new Event(type)));
