// The API's page: reads the OpenAPI document of this server and lets every operation be tried.
const $ = (id) => document.getElementById(id);
// In this order; a tag that is not here comes last, so that nothing is left out.
const TAGS = ["bot", "confirmation", "trading", "flags", "simulation", "history", "health"];
const PATIENCE = 30_000;
let schemas = {};

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function resolve(schema) {
  return schema?.$ref ? schemas[schema.$ref.split("/").at(-1)] : schema;
}

// A type in one word or two, for people.
function kind(schema) {
  const found = resolve(schema) || {};
  if (found.anyOf) return found.anyOf.map(kind).filter((one, at, all) => all.indexOf(one) === at).join(" | ");
  if (found.enum) return found.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (found.type === "array") return `[${kind(found.items)}]`;
  if (found.type === "object" && found.properties) return found.title || "object";
  return found.format || found.type || "any";
}

function shape(schema) {
  const found = resolve(schema);
  if (!found?.properties) return kind(schema);
  const required = new Set(found.required || []);
  const lines = Object.entries(found.properties).map(([name, value]) => {
    const note = value.description ? `  // ${value.description.split("\n")[0]}` : "";
    return `  ${name}${required.has(name) ? "" : "?"}: ${kind(value)}${note}`;
  });
  return `{\n${lines.join("\n")}\n}`;
}

// What has to be said, as it is in the example; the rest is optional, and nothing is changed that nobody wrote.
function example(media) {
  const required = resolve(media.schema)?.required || [];
  return JSON.stringify(Object.fromEntries(required.map((name) => [name, media.example?.[name] ?? ""])), null, 2);
}

// What is said or answered: its fields, and an example of it beside them.
function described(title, media) {
  const box = element("div", "", "pair");
  const left = element("div");
  left.append(element("h3", title), element("pre", shape(media.schema)));
  box.append(left);
  if (media.example !== undefined) {
    const right = element("div");
    right.append(element("h3", "Example"), element("pre", JSON.stringify(media.example, null, 2)));
    box.append(right);
  }
  return box;
}

function inputs(operation, into) {
  const fields = [];
  for (const one of operation.parameters || []) {
    const label = element("label", "", "field");
    const input = document.createElement("input");
    input.placeholder = one.schema?.default ?? "";
    label.append(element("span", `${one.name}${one.required ? "" : "?"}: ${kind(one.schema)} ${one.description || ""}`, "soft"), input);
    into.append(label);
    fields.push([one, input]);
  }
  return fields;
}

async function send(verb, path, fields, body, answer) {
  const query = new URLSearchParams();
  let target = path;
  for (const [one, input] of fields) {
    if (one.in === "path") target = target.replace(`{${one.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.set(one.name, input.value);
  }
  const headers = { Accept: "application/json" };
  if ($("key").value) headers["X-API-Key"] = $("key").value;
  if (body) headers["Content-Type"] = "application/json";
  const address = `${target}${query.size ? `?${query}` : ""}`;
  answer.hidden = false;
  answer.textContent = "…";
  let response;
  let text;
  try {
    response = await fetch(address, { method: verb, headers, body: body?.value, signal: AbortSignal.timeout(PATIENCE) });
    text = await response.text();
  } catch (error) {
    answer.textContent = `The bot did not answer: ${error.message}`;
    return;
  }
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON: shown as it is.
  }
  answer.textContent = `HTTP ${response.status}\n${shown.slice(0, 20000)}`;
}

function operation(path, verb, told) {
  const box = element("details");
  const head = element("summary");
  const word = element("span", verb, "verb");
  word.dataset.verb = verb;
  head.append(word, element("code", path), element("span", told.summary));
  if (told.security) head.append(element("span", "needs the key", "lock"));
  const inside = element("div");
  if (told.description) inside.append(element("p", told.description));
  const fields = inputs(told, inside);
  const wanted = told.requestBody?.content["application/json"];
  let body = null;
  if (wanted) {
    body = document.createElement("textarea");
    body.value = example(wanted);
    const label = element("label", "", "field");
    label.append(element("span", "Body to send", "soft"), body);
    inside.append(described("Body", wanted), label);
  }
  const codes = element("div", "", "codes");
  for (const [code, one] of Object.entries(told.responses)) codes.append(element("span", `${code} ${one.description}`));
  const [media] = Object.values(Object.values(told.responses)[0].content);
  const answer = element("pre");
  answer.hidden = true;
  answer.setAttribute("role", "status");
  const button = element("button", "Send");
  button.setAttribute("aria-label", `Send ${verb} ${path}`);
  button.addEventListener("click", () => send(verb, path, fields, body, answer));
  inside.append(codes, described("Answer", media), button, answer);
  box.append(head, inside);
  return box;
}

const found = await (await fetch("/api/v1/openapi.json")).json();
schemas = found.components.schemas;
$("title").textContent = `${found.info.title} ${found.info.version}`;
$("about").textContent = found.info.description;
const used = Object.values(found.paths).flatMap((verbs) => Object.values(verbs).map((one) => one.tags[0]));
for (const tag of new Set([...TAGS, ...used])) {
  $("operations").append(element("h2", tag));
  for (const [path, verbs] of Object.entries(found.paths)) {
    for (const [verb, told] of Object.entries(verbs)) {
      if (told.tags[0] === tag) $("operations").append(operation(path, verb.toUpperCase(), told));
    }
  }
}
