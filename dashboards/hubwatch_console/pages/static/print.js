"use strict";
// Shows the button that prints; without scripts the browser's own does.
(() => {
  const ready = () => {
    const button = document.getElementById("print");
    if (!button) return;
    button.hidden = false;
    button.onclick = () => window.print();
  };
  document.addEventListener("hubwatch-swapped", ready);
  ready();
})();
