"""The SentencePiece vocabulary of the tiny Mistral, in its three published forms.

Owns the training (BPE with byte fallback and a dummy prefix, as Llama 2's and Mistral's are) and the forms: tokenizer.model,
tokenizer.json and the arrays of a GGUF file. It writes no files. Invariant: the same text gives the same bytes.
"""

import io

import sentencepiece
from gguf import GGUFWriter
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

import tiny_weights as tiny
from tiny_text import TINY_TEXT

UNKNOWN, BOS, EOS = "<unk>", "<s>", "</s>"
SPACE = "\u2581"
# tokenizer.ggml.token_type
NORMAL, UNKNOWN_TYPE, CONTROL, BYTE = 1, 2, 3, 6
# [Mistral] as published with Mistral-7B-Instruct-v0.1.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)


def train() -> bytes:
    """tokenizer.model: 3 control tokens, 256 bytes, then pieces learned from TINY_TEXT."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TINY_TEXT.splitlines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=tiny.VOCAB,
        byte_fallback=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        character_coverage=0.98,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def load(model: bytes) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def add_to_gguf(writer: GGUFWriter, model: bytes) -> None:
    processor = load(model)
    ids = range(processor.get_piece_size())
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([processor.id_to_piece(i) for i in ids])
    writer.add_token_scores([processor.get_score(i) for i in ids])
    writer.add_token_types([type_of(processor, i) for i in ids])
    writer.add_bos_token_id(processor.bos_id())
    writer.add_eos_token_id(processor.eos_id())
    writer.add_unk_token_id(processor.unk_id())
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def type_of(processor: sentencepiece.SentencePieceProcessor, index: int) -> int:
    if processor.is_unknown(index):
        return UNKNOWN_TYPE
    if processor.is_control(index):
        return CONTROL
    return BYTE if processor.is_byte(index) else NORMAL


def tokenizer_json(model: bytes, metaspace: bool) -> Tokenizer:
    """As converters write it: merges of all pairs whose union is a piece, best score first.

    `metaspace` False prepends the space by a normalizer, to every part between control tokens (the older files); True by
    a pre-tokenizer, to the beginning of the text only.
    """
    processor = load(model)
    vocab = {processor.id_to_piece(i): i for i in range(processor.get_piece_size())}
    normal = [processor.id_to_piece(i) for i in vocab.values() if type_of(processor, i) == NORMAL]
    merges = []
    for piece in normal:
        splits = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        pairs = [(left, right) for left, right in splits if left in vocab and right in vocab]
        pairs.sort(key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
        merges += [(processor.get_score(vocab[piece]), pair) for pair in pairs]
    merges.sort(key=lambda merge: merge[0], reverse=True)
    pairs = [pair for _, pair in merges]
    tokenizer = Tokenizer(models.BPE(vocab, pairs, unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in (UNKNOWN, BOS, EOS)])
    strip = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(strip)
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, vocab[BOS])]
    )
    return tokenizer
