// Tables from plain values. Text is always set as text: nothing that a bot or a strategy says is ever read as HTML.
export function cell(value, kind = "", tone = "") {
  return { value, kind, tone };
}

// A button stays the same element while its row means the same, so that a click never falls between two of them.
function write(item, column, content) {
  const { value, kind, tone } = content !== null && typeof content === "object" ? content : cell(content);
  const name = [column[1] || "", kind, tone].filter(Boolean).join(" ");
  if (item.className !== name) item.className = name;
  if (value instanceof Node) {
    if (item.firstChild?.dataset?.mark !== value.dataset.mark) item.replaceChildren(value);
  } else if (item.textContent !== String(value)) {
    item.textContent = value;
  }
}

export function fill(target, columns, rows, empty) {
  if (!rows.length) {
    const note = document.createElement("p");
    note.className = "empty";
    note.textContent = empty;
    target.replaceChildren(note);
    return;
  }
  const there = target.querySelector("tbody");
  if (there && there.rows.length === rows.length) {
    rows.forEach((cells, at) => cells.forEach((content, index) => write(there.rows[at].cells[index], columns[index], content)));
    return;
  }
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const [name, kind] of columns) {
    const item = document.createElement("th");
    item.textContent = name;
    item.className = kind || "";
    head.append(item);
  }
  const body = table.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((content, index) => write(row.insertCell(), columns[index], content));
  }
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.append(table);
  target.replaceChildren(scroll);
}
