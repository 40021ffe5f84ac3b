// Everything that changes something asks for the key, once for each action; it is kept nowhere.
const $ = (id) => document.getElementById(id);
let pending = null;

// `path` is a text, or a function of whether positions are to be closed.
export function ask({ title, text, button, path, flatten = false }) {
  pending = path;
  $("question").textContent = title;
  $("consequence").textContent = text;
  $("really").textContent = button;
  $("flatten").hidden = !flatten;
  $("flat").checked = false;
  $("answer").textContent = "";
  $("key").value = "";
  $("ask").showModal();
}

async function send() {
  const path = typeof pending === "function" ? pending($("flat").checked) : pending;
  const key = $("key").value;
  $("key").value = "";
  $("really").disabled = true;
  try {
    const response = await fetch(path, { method: "POST", headers: { "X-API-Key": key } });
    const body = await response.json();
    if (response.ok) $("ask").close();
    else $("answer").textContent = body.detail;
  } catch (error) {
    $("answer").textContent = `the bot does not answer: ${error.message}`;
  }
  $("answer").className = "bad";
  $("really").disabled = false;
}

$("really").addEventListener("click", send);
$("key").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  send();
});
