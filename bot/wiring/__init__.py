"""Construction: `resources` opens external resources, `bot` builds the parts that use them."""
