"""
Eight attention heads
=====================

A small Transformer learns to read dates in words, in English and Spanish: characters in, characters out. Here it is
trained for a quarter of the steps that ``factorattn train dates`` takes by default, and read on a date that it never
trained on.
"""

import matplotlib.pyplot as plt

from factorattn.experiment.dates.picture import heads_figure, heads_of
from factorattn.experiment.dates.run import QUICK, run

result = run(QUICK)
right = [p for p, read in zip(result.phrases, result.read, strict=True) if p.iso == read and "weekday" in p.kind]
phrase = min(right, key=lambda p: len(p.text)).text
answer, weights = heads_of(result.parameters, phrase, sizes=result.plan.sizes)

# %%
# Rows are the characters of the answer, as each is said; columns those of the phrase. Each panel is a head of the
# decoder's attention to the phrase: what it looks at to say the next character. Every row sums to one.

heads_figure(weights, phrase, answer, plt.figure())
plt.show()

# %%
# Nobody told the heads what to look at. The last characters of the phrase hold the year, and most heads are there while
# the year is said; then they move to the month, and to the day.

print(f"{result.exact:.1%} of {len(result.phrases)} phrases of days held out are read exactly")
