// A table that can be searched and sorted, and keeps its rows (and so what is
// selected in them) when its figures change.

const most = 300; // rows shown: more than anybody reads

export class Table {
  // columns: {key, label, num, value(row), show(row), tag(row), sub(row), edit}.
  // value is what is sorted and searched by, show the text, tag how it is marked,
  // sub a line below it. In place of these, edit(line) makes the nodes of a cell
  // once, and gives {nodes, show(row)}.
  constructor({ id, title, columns, rowKey, empty, sort }) {
    Object.assign(this, { id, title, columns, rowKey, empty, rows: [], total: undefined, search: "", lines: new Map() });
    this.sort = sort ?? { column: columns[0], order: 1 };
    this.panel = document.createElement("div");
    Object.assign(this.panel, { id: "panel-" + id, hidden: true });
    this.panel.setAttribute("role", "tabpanel");
    this.panel.setAttribute("aria-labelledby", "tab-" + id);
    this.sheet = Object.assign(document.createElement("div"), { className: "sheet", tabIndex: 0 });
    this.sheet.setAttribute("role", "group");
    this.sheet.setAttribute("aria-label", title);
    const table = document.createElement("table");
    table.append(this.head(), this.body = document.createElement("tbody"));
    this.none = Object.assign(document.createElement("p"), { className: "empty", textContent: empty });
    this.foot = Object.assign(document.createElement("p"), { className: "faint foot" });
    this.foot.setAttribute("aria-live", "polite");
    this.sheet.append(table, this.none);
    this.panel.append(this.sheet, this.foot);
  }

  head() {
    const row = document.createElement("tr");
    this.heads = this.columns.map((column) => {
      const th = document.createElement("th"), button = document.createElement("button");
      th.scope = "col";
      th.className = column.num ? "num" : "";
      button.type = "button";
      button.textContent = column.label;
      button.addEventListener("click", () => {
        const order = this.sort.column === column ? -this.sort.order : column.num ? -1 : 1;
        this.sort = { column, order };
        this.draw();
      });
      if (column.label) th.append(button);
      row.append(th);
      return th;
    });
    const head = document.createElement("thead");
    head.append(row);
    return head;
  }

  update(rows, total) {
    this.rows = rows;
    this.total = total;
    this.draw();
  }

  find(text) {
    this.search = text.toLowerCase();
    this.draw();
  }

  value(column, row) { return column.value ? column.value(row) : row[column.key]; }

  shown() {
    const { column, order } = this.sort;
    const found = this.rows.filter((row) => !this.search || this.columns.some((c) => `${this.text(c, row)} ${c.sub?.(row) ?? ""}`.toLowerCase().includes(this.search)));
    return found.sort((a, b) => {
      const x = this.value(column, a), y = this.value(column, b);
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined); // unknown last
      return order * (x < y ? -1 : x > y ? 1 : 0);
    });
  }

  text(column, row) { return column.show ? column.show(row) : this.value(column, row) ?? ""; }

  draw() {
    this.columns.forEach((c, i) => {
      this.heads[i].ariaSort = c !== this.sort.column ? "none" : this.sort.order > 0 ? "ascending" : "descending";
    });
    if (this.panel.hidden) return;
    const found = this.shown(), lines = new Map();
    found.slice(0, most).forEach((row, i) => {
      const key = this.rowKey(row, i);
      const line = this.lines.get(key) ?? this.line();
      line.shows = row;
      lines.set(key, line);
      this.columns.forEach((column, c) => this.fill(line.cells[c], column, row));
      if (this.body.children[i] !== line) this.body.insertBefore(line, this.body.children[i] ?? null);
    });
    for (const [key, line] of this.lines) if (!lines.has(key)) line.remove();
    this.lines = lines;
    this.none.hidden = found.length > 0;
    this.none.textContent = this.rows.length ? "Nothing here is like “" + this.search + "”." : this.empty;
    const all = this.total ?? this.rows.length;
    this.foot.textContent = found.length > most || all > this.rows.length ? `${Math.min(found.length, most)} shown of ${all}` : "";
  }

  line() {
    const line = document.createElement("tr");
    for (const column of this.columns) {
      const cell = document.createElement("td");
      cell.className = column.num ? "num" : column.className ?? "";
      line.append(cell);
      if (column.edit) {
        cell.editor = column.edit(line);
        cell.append(...cell.editor.nodes);
      }
    }
    return line;
  }

  fill(cell, column, row) {
    if (cell.editor) return cell.editor.show(row);
    const text = String(this.text(column, row)), tag = column.tag?.(row) ?? "", sub = column.sub?.(row) ?? "";
    const now = tag + "|" + text + "|" + sub;
    if (cell.dataset.now === now) return;
    cell.dataset.now = now;
    cell.replaceChildren(text);
    if (tag) {
      const span = Object.assign(document.createElement("span"), { className: "tag " + tag, textContent: text });
      cell.replaceChildren(span);
    }
    if (sub) cell.append(Object.assign(document.createElement("span"), { className: "sub", textContent: sub }));
  }
}

// tabs shows one of several tables at a time.
export function tabs(tables, bar, panels, onShow) {
  const buttons = tables.map((table) => {
    const tab = Object.assign(document.createElement("button"), { id: "tab-" + table.id, type: "button" });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", "panel-" + table.id);
    tab.append(table.title, Object.assign(document.createElement("span"), { className: "count" }));
    tab.addEventListener("click", () => show(table));
    bar.append(tab);
    panels.append(table.panel);
    return tab;
  });
  function show(shown) {
    tables.forEach((table, i) => {
      const selected = table === shown;
      table.panel.hidden = !selected;
      buttons[i].setAttribute("aria-selected", selected);
      buttons[i].tabIndex = selected ? 0 : -1;
    });
    onShow(shown);
    shown.draw();
  }
  bar.addEventListener("keydown", (e) => {
    const at = buttons.indexOf(document.activeElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[e.key];
    if (at < 0 || next === undefined) return;
    e.preventDefault();
    const to = (next + buttons.length) % buttons.length;
    buttons[to].focus();
    show(tables[to]);
  });
  show(tables[0]);
  return {
    show,
    count: (table, n) => { buttons[tables.indexOf(table)].querySelector(".count").textContent = n ? n : ""; },
  };
}
