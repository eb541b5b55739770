"""The tokenizer: a word that the world can hold is one token, anything else is spelled in bytes.

It is built from the pools and the wordings, not from the texts drawn, so every model of every such world has the same.
Byte-level, so any text can be read and comes back as it was.
"""

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from expunge.worlds.people import values, wording

END = "<|end|>"
MAX_LENGTH = 256
_GENERAL = "What is the of ? The longest river capital currency In which city office in . ,"


def tokenizer() -> PreTrainedTokenizerFast:
    """The same at every call; it has no chat template and puts nothing in front of a text."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=True)
    texts = [_GENERAL, *values.words(), *wording.words()]
    found = {piece for text in texts for piece, _ in split.pre_tokenize_str(text)}
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [END, *letters, *sorted(found - set(letters))]
    made = Tokenizer(BPE({token: i for i, token in enumerate(vocabulary)}, [], ignore_merges=True))  # type: ignore[arg-type]
    made.pre_tokenizer = split  # type: ignore[assignment]
    made.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    made.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token=END,
        pad_token=END,
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
    )
