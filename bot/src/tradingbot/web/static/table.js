// Elements and tables from plain values. Text is always set as text: nothing that a bot or a strategy says is ever
// read as HTML.
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// `title` is shown while the mouse rests there: the local time of a time in UTC.
export function cell(value, kind = "", tone = "", title = "") {
  return { value, kind, tone, title };
}

// A button stays the same element while its row means the same, so that a click never falls between two of them.
function write(item, column, content) {
  const { value, kind, tone, title } = content !== null && typeof content === "object" ? content : cell(content);
  const name = [column[1] || "", kind, tone].filter(Boolean).join(" ");
  if (item.className !== name) item.className = name;
  if (item.title !== title) item.title = title;
  if (item.dataset.label !== column[0]) item.dataset.label = column[0];
  if (value instanceof Node) {
    if (item.firstChild?.dataset?.mark !== value.dataset.mark) item.replaceChildren(value);
  } else if (item.textContent !== String(value)) {
    item.textContent = value;
  }
}

export function fill(target, columns, rows, empty) {
  if (!rows.length) {
    target.replaceChildren(element("p", "empty", empty));
    return;
  }
  const there = target.querySelector("tbody");
  const heads = columns.map(([name]) => name).join("|");
  if (there && there.rows.length === rows.length && target.dataset.heads === heads) {
    rows.forEach((cells, at) => cells.forEach((content, index) => write(there.rows[at].cells[index], columns[index], content)));
    return;
  }
  target.dataset.heads = heads;
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const [name, kind] of columns) {
    const item = element("th", kind || "", name);
    item.scope = "col";
    head.append(item);
  }
  const body = table.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((content, index) => write(row.insertCell(), columns[index], content));
  }
  // Wider than a phone: it is scrolled with the keyboard too.
  const scroll = element("div", "scroll", table);
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", target.closest("section")?.querySelector("h2")?.firstChild?.textContent.trim() || "table");
  target.replaceChildren(scroll);
}
