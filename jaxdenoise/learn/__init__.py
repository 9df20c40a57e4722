"""Learning: from a folder of images to a trained denoiser or segmenter.

Needs the extra `learn`: `pip install 'jaxdenoise[learn]'`.
"""

try:
    import equinox as _  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "jaxdenoise.learn needs: pip install 'jaxdenoise[learn]'", name=missing.name
    ) from missing

from jaxdenoise.learn.augment import Augment as Augment
from jaxdenoise.learn.batches import Batches as Batches
from jaxdenoise.learn.callbacks import Callback as Callback
from jaxdenoise.learn.callbacks import EarlyStopping as EarlyStopping
from jaxdenoise.learn.callbacks import History as History
from jaxdenoise.learn.checkpoints import ModelCheckpoint as ModelCheckpoint
from jaxdenoise.learn.checkpoints import load_model as load_model
from jaxdenoise.learn.checkpoints import load_state as load_state
from jaxdenoise.learn.curves import Curves as Curves
from jaxdenoise.learn.curves import draw_curves as draw_curves
from jaxdenoise.learn.denoiser import Denoiser as Denoiser
from jaxdenoise.learn.fit import Fitted as Fitted
from jaxdenoise.learn.fit import State as State
from jaxdenoise.learn.fit import fit as fit
from jaxdenoise.learn.fit import initial_state as initial_state
from jaxdenoise.learn.folders import split_folders as split_folders
from jaxdenoise.learn.losses import accuracy as accuracy
from jaxdenoise.learn.losses import charbonnier as charbonnier
from jaxdenoise.learn.losses import cross_entropy as cross_entropy
from jaxdenoise.learn.losses import dice_coefficient as dice_coefficient
from jaxdenoise.learn.losses import dice_loss as dice_loss
from jaxdenoise.learn.losses import dice_per_class as dice_per_class
from jaxdenoise.learn.losses import focal as focal
from jaxdenoise.learn.losses import predicted as predicted
from jaxdenoise.learn.losses import soft_iou as soft_iou
from jaxdenoise.learn.models import DnCNN as DnCNN
from jaxdenoise.learn.models import FCN32s as FCN32s
from jaxdenoise.learn.models import UNet as UNet
from jaxdenoise.learn.models import count_parameters as count_parameters
from jaxdenoise.learn.models import load_vgg16 as load_vgg16
from jaxdenoise.learn.pairs import AddNoise as AddNoise
from jaxdenoise.learn.pairs import Corrupt as Corrupt
from jaxdenoise.learn.pairs import FolderPairs as FolderPairs
from jaxdenoise.learn.pairs import Generated as Generated
from jaxdenoise.learn.pairs import ToUnitNoise as ToUnitNoise
from jaxdenoise.learn.pairs import chained as chained
from jaxdenoise.learn.progress import ProgressBar as ProgressBar
from jaxdenoise.learn.recipes import Recipe as Recipe
from jaxdenoise.learn.runs import Run as Run
from jaxdenoise.learn.runs import evaluate_run as evaluate_run
from jaxdenoise.learn.runs import load_denoiser as load_denoiser
from jaxdenoise.learn.runs import load_run as load_run
from jaxdenoise.learn.runs import segment as segment
from jaxdenoise.learn.runs import train_run as train_run
from jaxdenoise.learn.sweeps import Range as Range
from jaxdenoise.learn.sweeps import draws as draws
from jaxdenoise.learn.sweeps import grid as grid
from jaxdenoise.learn.sweeps import sweep as sweep
from jaxdenoise.learn.through import Learnable as Learnable
from jaxdenoise.learn.through import Through as Through
from jaxdenoise.learn.unsupervised import AtUnitNoise as AtUnitNoise
from jaxdenoise.learn.unsupervised import ModelLoss as ModelLoss
from jaxdenoise.learn.unsupervised import Probe as Probe
from jaxdenoise.learn.unsupervised import sure_loss as sure_loss
