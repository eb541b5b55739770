"""NPO and gradient difference against trajectories that are worked out without the loop.

Once in plain PyTorch (padded batches, -100 labels, a second model as the reference, AdamW as PyTorch has it), once with
pencil and paper on a network that is a table of bigrams.
"""

import math
from collections.abc import Sequence
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from architectures import tiny_network
from expunge.data.example import Example
from expunge.models.layout import layout_of
from expunge.models.model import Model
from expunge.train.plan import Plan
from expunge.train.unlearn import train
from steps import after, bits, settings, taught_model, unequal_sets
from tiny import tiny_model, tiny_sets, tiny_tokenizer

STEPS, RATE, DECAY, CLIP, BETA = 5, 1e-4, 0.1, 1.0, 0.1


# ---- in plain PyTorch


def padded(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """ids, attention mask and labels [batch, longest]; labels are -100 on the prompt and on the padding."""
    words = tiny_tokenizer().get_vocab()
    rows = [([words[w] for w in str(e.prompt).split()], [words[w] for w in e.answer.split()]) for e in examples]
    longest = max(len(p) + len(a) for p, a in rows)
    empty = [longest - len(p) - len(a) for p, a in rows]
    ids = [p + a + [0] * n for (p, a), n in zip(rows, empty)]
    seen = [[1] * (len(p) + len(a)) + [0] * n for (p, a), n in zip(rows, empty)]
    labels = [[-100] * len(p) + a + [-100] * n for (p, a), n in zip(rows, empty)]
    return torch.tensor(ids), torch.tensor(seen), torch.tensor(labels)


def token_losses(network: nn.Module, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Cross entropy [batch, longest - 1], zero where the label is -100; and where it is not."""
    ids, seen, labels = padded(examples)
    logits = network(input_ids=ids, attention_mask=seen, use_cache=False).logits[:, :-1]
    labels = labels[:, 1:]
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="none")
    return losses, labels != -100


def plain_loss(method: str, network: nn.Module, reference: nn.Module, examples: Sequence[Example]) -> Tensor:
    losses, real = token_losses(network, examples)
    if method == "gradient_ascent":
        return -losses.sum() / real.sum()
    with torch.no_grad():
        start = token_losses(reference, examples)[0].sum(1)
    ratio = start - losses.sum(1)  # log π - log π_ref, summed over the answer
    return (-(2 / BETA) * nn.functional.logsigmoid(-BETA * ratio)).mean()


@pytest.mark.parametrize("batch", [4, 3])
@pytest.mark.parametrize("method", ["npo", "gradient_ascent"])
def test_the_loop_follows_plain_pytorch(method: str, batch: int) -> None:
    """Five steps with weight decay and clipping. Batches of 3 of 4 end an epoch with a step of one example."""
    model, sets = taught_model(), unequal_sets()
    network = tiny_model(attention="eager").network
    network.load_state_dict(model.network.state_dict())
    reference = deepcopy(network)
    plan = Plan(4, 4, batch, 2, seed=7)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    losses = []
    for step in range(STEPS):
        forget = plain_loss(method, network, reference, [sets.forget[i] for i in plan.forget_at(step)])
        each, real = token_losses(network, [sets.retain[i] for i in plan.retain_at(step)])
        retain = each.sum() / real.sum()
        optimizer.zero_grad()
        (forget + 2.0 * retain).backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        losses.append((forget.item(), retain.item()))
    trained = train(
        model, sets,
        settings(method, max_steps=STEPS, batch_size=batch, retain_batch_size=2, retain_weight=2.0, seed=7, clip=CLIP,
                 learning_rate=RATE, weight_decay=DECAY, eval_every=1),
        watch=lambda step: {"forget": 1 - 2**step / 64, "utility": 1.0},  # twice the gain each time: the last is kept
    )  # fmt: skip
    seen = [(point.loss, point.retain_loss) for point in trained.points[1:]]
    torch.testing.assert_close(torch.tensor(seen), torch.tensor(losses), rtol=1e-4, atol=1e-5)
    assert trained.kept.step == STEPS
    ours, start = after(trained, model), bits(model)
    for name, parameter in network.named_parameters():
        moved = (parameter - start[name]).abs().max().item()
        assert moved > 3 * RATE, name  # several steps' worth: the comparison means something
        difference = (ours[name] - parameter).abs()
        # where a gradient is nearly 0 Adam blows its rounding up: of single weights, and never by a step's worth
        assert difference.max() < RATE and difference.mean() < 1e-7, name
        assert (difference > 1e-5).float().mean() < 1e-3, name


# ---- with pencil and paper

# The network: two blocks whose outputs are zero, an embedding of "is" that is the first unit vector e₁, an RMS norm of
# weight 1, and an output matrix W of zeros that alone is trained. All facts end "… is" and have answers of one token,
# so every prediction is made from the same state h = norm(e₁) = (√32, 0, …, 0), and the logit of token v is √32 W[v,0].
#
# At the start every token has probability 1/V. With 4 of V tokens to forget and 4 others to keep, symmetry leaves three
# numbers for the rest of the run: the logit -a of a token to forget, +b of one to keep, c of every other one.
#   p_f = e^-a / Z,  p_r = e^b / Z,  p_o = e^c / Z,   Z = 4 e^-a + 4 e^b + (V - 8) e^c
#   NPO: dL/d log π(y) = 2 σ(β (log π(y) - log 1/V)) =: s per example; gradient ascent: s = 1.
#   d log π(y) / dz_v = [v = y] - p_v, and the mean over the 4 examples gives [v ∈ forget]/4 - p_v; NLL has the opposite
#   sign over the answers to keep. So, with weight 1 on both,
#     dL/dz_v = s ([v ∈ forget]/4 - p_v) - ([v ∈ keep]/4 - p_v),     dL/dW[v, 0] = √32 dL/dz_v.
#   First step: s = 1, the probabilities cancel: +√32/4 for a token to forget, -√32/4 for one to keep, 0 for the others,
#   and Adam's first step is the learning rate times the sign. The losses there are (2/β) log 2 and log V.

ROOT = math.sqrt(32 / (1 + 32e-6))  # norm(e₁) = e₁ / √(1/32 + 1e-6)
HAND_RATE = 0.05


def by_hand(method: str, vocabulary: int, steps: int) -> list[tuple[float, float]]:
    """(forget loss, retain loss) before each step: scalars, three Adam states."""
    weight = dict.fromkeys(("forget", "keep", "other"), 0.0)
    first, second = dict(weight), dict(weight)
    losses = []
    for step in range(1, steps + 1):
        logit = {kind: ROOT * w for kind, w in weight.items()}
        count = {"forget": 4, "keep": 4, "other": vocabulary - 8}
        norm = sum(count[kind] * math.exp(z) for kind, z in logit.items())
        log_p = {kind: z - math.log(norm) for kind, z in logit.items()}
        ratio = log_p["forget"] + math.log(vocabulary)
        if method == "npo":
            slope = 2 / (1 + math.exp(-BETA * ratio))
            losses.append((2 / BETA * math.log1p(math.exp(BETA * ratio)), -log_p["keep"]))
        else:
            slope = 1.0
            losses.append((log_p["forget"], -log_p["keep"]))
        for kind in weight:
            p = math.exp(log_p[kind])
            g = ROOT * (slope * ((kind == "forget") / 4 - p) - ((kind == "keep") / 4 - p))
            first[kind] = 0.9 * first[kind] + 0.1 * g
            second[kind] = 0.999 * second[kind] + 0.001 * g * g
            m, v = first[kind] / (1 - 0.9**step), second[kind] / (1 - 0.999**step)
            weight[kind] -= HAND_RATE * m / (math.sqrt(v) + 1e-8) if g or m else 0.0
    return [*losses, (weight["forget"], weight["keep"])]


def bigrams() -> Model:
    network = tiny_network("llama", len(tiny_tokenizer()), rms_norm_eps=1e-6)
    network.set_attn_implementation("packed")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")) or name == "lm_head.weight":
                parameter.zero_()
            elif name.endswith("norm.weight"):
                parameter.fill_(1.0)
        place = tiny_tokenizer().get_vocab()["is"]
        network.get_input_embeddings().weight[place] = torch.eye(32)[0]
    return Model(network=network, tokenizer=tiny_tokenizer(), layout=layout_of(network), name="bigrams")


@pytest.mark.parametrize("method", ["npo", "gradient_ascent"])
def test_the_loop_follows_pencil_and_paper(method: str) -> None:
    model, steps = bigrams(), 5
    vocabulary = len(tiny_tokenizer())
    *losses, weights = by_hand(method, vocabulary, steps)
    expected = (2 / BETA) * math.log(2) if method == "npo" else -math.log(vocabulary)
    assert losses[0] == pytest.approx((expected, math.log(vocabulary)))
    config = {"max_steps": steps, "learning_rate": HAND_RATE, "clip": None, "parameters": ("lm_head.weight",)}
    trained = train(model, tiny_sets(), settings(method, eval_every=1, **config))
    seen = [(point.loss, point.retain_loss) for point in trained.points[1:]]
    torch.testing.assert_close(torch.tensor(seen), torch.tensor(losses), rtol=1e-5, atol=1e-5)
    trained = train(model, tiny_sets(), settings(method, **config))
    head = after(trained, model)["lm_head.weight"][:, 0]
    words = tiny_tokenizer().get_vocab()
    for kind, examples, value in zip(("forget", "keep"), (tiny_sets().forget, tiny_sets().retain), weights):
        for example in examples:
            assert head[words[example.answer]].item() == pytest.approx(value, rel=1e-5), kind


def test_the_first_step_is_the_learning_rate_and_no_other_token_moves() -> None:
    model = bigrams()
    trained = train(
        model, tiny_sets(),
        settings("npo", max_steps=1, learning_rate=HAND_RATE, clip=None, parameters=("lm_head.weight",)),
    )  # fmt: skip
    head = after(trained, model)["lm_head.weight"]
    words = tiny_tokenizer().get_vocab()
    forget = [words[e.answer] for e in tiny_sets().forget]
    keep = [words[e.answer] for e in tiny_sets().retain]
    torch.testing.assert_close(head[forget, 0], torch.full((4,), -HAND_RATE))
    torch.testing.assert_close(head[keep, 0], torch.full((4,), HAND_RATE))
    assert not head[:, 1:].any()
