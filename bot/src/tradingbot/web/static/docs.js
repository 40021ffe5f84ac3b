// The API's page: reads the OpenAPI document of this server and lets every operation be tried.
const $ = (id) => document.getElementById(id);
const TAGS = ["bot", "trading", "flags", "simulation", "history", "health"];
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

function example(schema) {
  const found = resolve(schema);
  const required = new Set(found?.required || []);
  const values = Object.entries(found?.properties || {})
    .filter(([name]) => required.has(name))
    .map(([name, value]) => [name, value.examples?.[0] ?? resolve(value)?.enum?.[0] ?? ""]);
  return JSON.stringify(Object.fromEntries(values), null, 2);
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
  const response = await fetch(`${target}${query.size ? `?${query}` : ""}`, { method: verb, headers, body: body?.value });
  const text = await response.text();
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON: shown as it is.
  }
  answer.hidden = false;
  answer.textContent = `HTTP ${response.status}\n${shown.slice(0, 20000)}`;
}

function operation(path, verb, described) {
  const box = element("details");
  const head = element("summary");
  const word = element("span", verb, "verb");
  word.dataset.verb = verb;
  head.append(word, element("code", path), element("span", described.summary));
  if (described.security) head.append(element("span", "needs the key", "lock"));
  const inside = element("div");
  if (described.description) inside.append(element("p", described.description));
  const fields = inputs(described, inside);
  const wanted = described.requestBody?.content["application/json"].schema;
  let body = null;
  if (wanted) {
    inside.append(element("pre", shape(wanted)));
    body = document.createElement("textarea");
    body.value = example(wanted);
    inside.append(body);
  }
  const codes = element("div", "", "codes");
  for (const [code, one] of Object.entries(described.responses)) codes.append(element("span", `${code} ${one.description}`));
  const content = Object.values(described.responses)[0].content;
  const answer = element("pre");
  answer.hidden = true;
  const button = element("button", "Send");
  button.addEventListener("click", () => send(verb, path, fields, body, answer));
  inside.append(codes, element("pre", shape(Object.values(content)[0].schema)), button, answer);
  box.append(head, inside);
  return box;
}

const found = await (await fetch("/api/v1/openapi.json")).json();
schemas = found.components.schemas;
$("title").textContent = `${found.info.title} ${found.info.version}`;
$("about").textContent = found.info.description;
for (const tag of TAGS) {
  $("operations").append(element("h2", tag));
  for (const [path, verbs] of Object.entries(found.paths)) {
    for (const [verb, described] of Object.entries(verbs)) {
      if (described.tags[0] === tag) $("operations").append(operation(path, verb.toUpperCase(), described));
    }
  }
}
