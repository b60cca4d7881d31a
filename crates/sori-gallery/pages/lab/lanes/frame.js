// Hidden frames: documents of their own, for what a page could otherwise not take back.

/** A frame with what `source` leads to. */
export function frame(source) {
  const made = hidden();
  made.src = source;
  document.body.append(made);
  return made;
}

/** A frame with nothing in it yet, and ready for it. */
export function emptyFrame() {
  const made = hidden();
  // Not about:blank, which browsers make at different times.
  made.srcdoc = "<!doctype html>";
  return new Promise((resolve) => {
    made.addEventListener("load", () => resolve(made), { once: true });
    document.body.append(made);
  });
}

function hidden() {
  const made = document.createElement("iframe");
  made.hidden = true;
  made.tabIndex = -1;
  made.setAttribute("aria-hidden", "true");
  return made;
}
