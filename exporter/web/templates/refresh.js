// Brings the page up to date every 30 seconds; a box switches that off.
(() => {
  const box = document.createElement("input");
  const label = document.createElement("label");
  const trouble = document.getElementById("trouble");
  box.type = "checkbox";
  box.checked = true;
  label.append(box, " every 30 seconds");
  document.getElementById("auto").append(label);
  const parts = ["#live", "h1", "time", "header"];
  const inUse = () =>
    parts.some((part) => document.querySelector(part).contains(document.activeElement)) ||
    document.querySelector("#live details[open]") !== null ||
    !getSelection().isCollapsed;
  setInterval(async () => {
    if (!box.checked || document.hidden || inUse()) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts) document.querySelector(part).replaceWith(page.querySelector(part));
      trouble.textContent = "";
    } catch {
      trouble.textContent = "The exporter does not answer: this is what it last showed.";
    }
  }, 30000);
})();
