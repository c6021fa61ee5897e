// Before the first paint: the colours that the address or this reader's choice asks for.
(() => {
  let theme = new URLSearchParams(location.search).get('theme');
  try {
    theme ??= JSON.parse(localStorage.getItem('footfall') ?? '{}').theme;
  } catch {
    // nothing kept here: the system decides
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
