# SPDX-License-Identifier: MIT
# Lists, dictionaries and strings of all sizes that come and go, for where Python's own tests are
# not installed. Each value says what it must be.
import json
import random

SEED = 20010625
random.seed(SEED)
print("seed", SEED)


def value(key):
    return [str(key) * (key % 40), key, {"half": key // 2, "text": "x" * (key % 3000)}]


held = {}
for _ in range(60000):
    key = random.randrange(4000)
    if key in held:
        assert json.loads(held.pop(key)) == value(key)
    else:
        held[key] = json.dumps(value(key))
for key, text in held.items():
    assert json.loads(text) == value(key)
longest = []
for number in range(1000000):
    longest.append(number)
assert sum(longest) == 499999500000
print("ok")
