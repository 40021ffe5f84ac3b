// Tables from plain values. Text is always set as text: nothing that a bot or a strategy says is ever read as HTML.
export function cell(value, kind = "", tone = "") {
  return { value, kind, tone };
}

export function fill(target, columns, rows, empty) {
  if (!rows.length) {
    const note = document.createElement("p");
    note.className = "empty";
    note.textContent = empty;
    target.replaceChildren(note);
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
    cells.forEach((content, index) => {
      const item = row.insertCell();
      const { value, kind, tone } = typeof content === "object" ? content : cell(content);
      if (value instanceof Node) item.append(value);
      else item.textContent = value;
      item.className = [columns[index][1] || "", kind, tone].filter(Boolean).join(" ");
    });
  }
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.append(table);
  target.replaceChildren(scroll);
}
