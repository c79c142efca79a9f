"""Pages behind links, over HTTP: routes, rendering, and what guards them."""
