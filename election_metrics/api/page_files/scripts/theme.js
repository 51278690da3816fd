// Sets the theme before anything is drawn: the stored choice, else the system's.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // Without local storage the system's theme is used.
}
