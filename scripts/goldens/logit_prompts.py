"""The prompts of the logit goldens.

Owns the inputs only: chats (rendered through the model's template) and plain texts, from one token to about two
hundred, so that sequences end inside, at and far beyond the borders of 16-token KV pages. Texts are written for this
purpose. make_logit_goldens.py refuses a prompt whose run has a near tie between first and second: reword it then.
"""

CHATS = {
    "chat-capital": [{"role": "user", "content": "What is the capital of France?"}],
    "chat-system": [
        {"role": "system", "content": "You are a pirate. Answer in one short sentence."},
        {"role": "user", "content": "Where did you hide the treasure?"},
    ],
    "chat-turns": [
        {"role": "user", "content": "Hi, I am Ada and I like trains."},
        {"role": "assistant", "content": "Hello Ada! Trains are wonderful. How can I help you today?"},
        {"role": "user", "content": "What is my name, and what do I like?"},
    ],
    "chat-unicode": [{"role": "user", "content": "Übersetze ins Englische: „Das Mädchen läuft über die Brücke.“ 🌉"}],
    "chat-code": [{"role": "user", "content": "Write a Python function that returns the n-th Fibonacci number."}],
}

TEXTS = {
    "one-token": "The",
    "two-tokens": "Once upon",
    "sixteen-tokens": "The boats leave the old harbour one after another, before the sun comes up,",
    "plain-story": (
        "Once upon a time there was a small lighthouse at the edge of the sea. Every night its keeper climbed the "
        "stairs and lit the lamp,"
    ),
    "facts": "Water boils at 100 degrees Celsius at sea level. On a high mountain the air is thinner, so it boils at",
    "list": "Shopping list:\n1. Bread\n2. Milk\n3. Eggs\n4.",
    "code-python": 'def is_prime(n):\n    """Return True if n is prime."""\n    if n < 2:\n        return False\n    for',
    "code-typescript": (
        "export interface Page {\n  readonly index: number;\n  owner: string | null;\n}\n\n"
        "export function release(pages: Page[], owner: string): number {\n  let count = 0;\n  for (const"
    ),
    "json": '{"name": "Ada", "age": 36, "languages": ["English", "French"], "address": {"city": "London", "',
    "markdown": "# Installation\n\n```bash\nnpm install\nnpm run dev\n```\n\n## Usage\n\n",
    "unicode-scripts": "Привет, мир! 你好，世界。こんにちは世界。 Γειά σου Κόσμε. שלום עולם. مرحبا بالعالم.",
    "french": "Le chat dort sur le canapé pendant que la pluie tombe sur les toits de",
    "whitespace": "name\t\tcount\n\n\n    apples   3\r\n      pears",
    "numbers": "1 1 2 3 5 8 13 21 34 55",
    "repeats": "la la la la la la la la la la la la la la la la la la la la la la la la la la la la la la",
    "long-article": (
        "A scheduler decides which request runs next. In a system that serves many tenants at once this decision is "
        "also a question of fairness: if one tenant sends a thousand requests and another sends ten, the ten should "
        "not have to wait for the thousand. The usual answer is to keep a counter for every tenant. Whenever tokens "
        "have been computed, the counter of the tenant is raised by the work that was done, and the tenant with the "
        "smallest counter goes first. A tenant that was away for a while must not come back with an old, very small "
        "counter, because it would then push everybody else aside until it had caught up. This is why its counter is "
        "lifted to the smallest counter of those who are waiting. Long prompts are cut into chunks, so that the "
        "running requests keep getting their next token in time while a new prompt is being read. The memory that "
        "holds the keys and values of past tokens is divided into pages of sixteen tokens, so that"
    ),
}
