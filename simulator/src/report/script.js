"use strict";
// The page is whole without this. With it, digests and commands are copied with one press.
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const name = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      // A browser that refuses shows the text, to be copied by hand.
      window.prompt(button.title, button.dataset.copy);
    }
    setTimeout(() => { button.textContent = name; }, 2000);
  });
}
