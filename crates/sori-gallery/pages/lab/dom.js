// Small things about elements. Text is set as text, never as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with attributes (or properties, for functions) and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made[name] = value;
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Sets a text only when it has changed, so that nothing is announced or laid out for nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Says something to those who listen to the page. */
export function announce(text) {
  setText($("announcer"), text);
}
