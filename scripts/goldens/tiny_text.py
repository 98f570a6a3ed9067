"""The text the tiny model's tokenizer is trained on.

Owns nothing but the text: a few paragraphs, some code and some other scripts, written for this purpose, so that
the 512-token vocabulary has merges for plain English, for indentation and for a few multi-byte characters.
Changing a letter here changes the committed fixture and every golden made from it.
"""

TINY_TEXT = """\
The harbour town wakes before the sun. Fishing boats leave the long stone pier, one after another, and the
lighthouse keeper counts them as they go: seven, eight, nine, ten. When the last boat has passed the breakwater
she closes the big green book, drinks her tea and goes to sleep. The town does not sleep again until evening.

In the market the bread is still warm. "How much is a loaf?" asks a traveller with a heavy bag. "That depends on
how much you want it," says the baker, and then she laughs, because the price is written on the board above her
head and has not changed in years. The traveller pays, thanks her, and walks on along the river to the station.

A server is a kind of harbour as well. Requests arrive in any order, they wait in a queue, they are served, and
they leave. If one tenant sends a thousand requests and another sends ten, the ten should not wait for the
thousand. The scheduler keeps a counter for each tenant; the tenant with the smallest counter goes first. When
the tokens have been computed the counter is raised by the work that was done, no more and no less.

What is the capital of France? The capital of France is Paris. What is the capital of Italy? It is Rome.
Please write a short story about a lighthouse. Please explain what a token is. Hello, how are you today?
I am fine, thank you. You are welcome. Yes. No. Maybe later, when the rain has stopped and the wind is calm.

def count_tokens(text, limit=512):
    tokens = []
    for word in text.split():
        if len(tokens) >= limit:
            break
        tokens.append(word.lower())
    return len(tokens)

for (let index = 0; index < pages.length; index++) {
    const page = pages[index];
    if (page === undefined) { return null; }
    console.log(index, page.owner, page.count);
}

The keeper of the lighthouse writes the numbers of the boats in the green book every morning and every evening.
The baker counts the loaves, the scheduler counts the tokens, and the traveller counts the stations along the
river. Counting is easy when nothing is lost; when something is lost, somebody has to explain where it went.

user: Tell me about the sea.
assistant: The sea is wide and cold, and the light of the lighthouse goes far over the water at night.
system: You are a helpful assistant.

La mer est calme, le café est déjà fermé. Das Mädchen geht über die Brücke. El niño pregunta por qué.
Привет, как дела? 你好，世界。 こんにちは。 Ελλάδα. שלום. مرحبا.
"""
