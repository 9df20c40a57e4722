"""What a denoiser errs by, without the clean image; and denoisers tuned by it."""

from jaxdenoise.risk.estimates import pure as pure
from jaxdenoise.risk.estimates import sure as sure
from jaxdenoise.risk.j_invariance import j_invariant_loss as j_invariant_loss
from jaxdenoise.risk.sensitivity import Lipschitz as Lipschitz
from jaxdenoise.risk.sensitivity import jacobian_diagonal as jacobian_diagonal
from jaxdenoise.risk.sensitivity import lipschitz as lipschitz
from jaxdenoise.risk.tune import Tuned as Tuned
from jaxdenoise.risk.tune import tune as tune
