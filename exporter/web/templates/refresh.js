// Shows the page anew every 30 seconds; whoever wants it still switches that off.
(() => {
  const box = document.createElement("input");
  const label = document.createElement("label");
  box.type = "checkbox";
  box.checked = true;
  label.append(box, " every 30 seconds");
  document.getElementById("auto").append(label);
  const busy = () => {
    const live = document.getElementById("live");
    return live.contains(document.activeElement) || live.querySelector("details[open]") !== null;
  };
  setInterval(async () => {
    if (!box.checked || document.hidden || busy()) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of ["#live", "h1", "time", "header"]) {
        document.querySelector(part).replaceWith(page.querySelector(part));
      }
    } catch {
      // The exporter is being restarted: the next time shows.
    }
  }, 30000);
})();
