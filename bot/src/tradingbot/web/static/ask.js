// Everything that changes something asks for the key, once for each action; it is kept nowhere.
const $ = (id) => document.getElementById(id);
const PATIENCE = 20_000;
let pending = null;

// `path` is a text, or a function of whether positions are to be closed. `other` is how to do it without this page.
export function ask({ title, text, button, path, body = null, flatten = false, other = "" }) {
  pending = { path, body, other };
  $("question").textContent = title;
  $("consequence").textContent = text;
  $("really").textContent = button;
  $("flatten").hidden = !flatten;
  $("flat").checked = false;
  $("answer").textContent = "";
  $("other").hidden = !other;
  $("command").textContent = other;
  $("key").value = "";
  $("ask").showModal();
  $("key").focus();
}

function failed(text) {
  $("answer").textContent = text;
  $("key").focus();
}

async function send() {
  if ($("really").disabled) return;
  const { path, body } = pending;
  const key = $("key").value;
  $("key").value = "";
  if (!key) return failed("Nothing was done: the API key is missing.");
  $("really").disabled = true;
  $("answer").textContent = "";
  try {
    const response = await fetch(typeof path === "function" ? path($("flat").checked) : path, {
      method: "POST",
      headers: { "X-API-Key": key, ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (response.ok) return $("ask").close();
    const said = await response.json().catch(() => ({ detail: `HTTP ${response.status}` }));
    failed(`${response.status === 401 ? "Nothing was done: " : ""}${said.detail}`);
  } catch (error) {
    failed(`The bot did not answer, so nobody knows whether it was done: ${error.message}. Look at the state when it is back.`);
  } finally {
    $("really").disabled = false;
  }
}

$("really").addEventListener("click", send);
$("key").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  send();
});
