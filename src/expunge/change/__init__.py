"""Changes: what was done to a model. Training, editing and arithmetic all return one.

A `WeightChange` can be applied, reverted, scaled, masked, added and saved; an `Attachment` (a side memory)
can be attached, detached and saved.
"""

from expunge.change.attachment import Attachment as Attachment
from expunge.change.fingerprint import Fingerprint as Fingerprint
from expunge.change.lowrank import Factors as Factors
from expunge.change.stored import Norm as Norm
from expunge.change.weights import WeightChange as WeightChange

Change = WeightChange | Attachment

__all__ = ["Attachment", "Change", "Factors", "Fingerprint", "Norm", "WeightChange"]
