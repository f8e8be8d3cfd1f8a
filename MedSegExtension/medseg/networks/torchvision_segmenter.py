"""DeepLabV3 and FCN on a residual network, with torchvision's names for tensors, for weights that exist.

Sources: DeepLabV3 (Chen 2017, arXiv:1706.05587), FCN (Long 2015, arXiv:1411.4038), ResNet (He 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .arguments import check_channels, check_choice
from .atrous import Aspp
from .resnet_unet import ResNetEncoder


class TorchvisionSegmenter(nn.Module):
    """A residual network whose last two stages widen their convolutions in place of striding, and a head.

    Parameters
    ----------
    in_channels, out_channels : channels of the slice and of the output.
    blocks : bottleneck blocks of the four stages.
    head : "deeplabv3" or "fcn"; ``channels`` : inside it; ``rates`` : of DeepLab's convolutions.

    Maps float32 (B, in_channels, H, W) to (B, out_channels, H, W) of any size.
    """

    multiple_of = 1

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 2,
        blocks: Sequence[int] = (3, 4, 6, 3),
        head: str = "deeplabv3",
        channels: int = 256,
        rates: Sequence[int] = (12, 24, 36),
    ) -> None:
        super().__init__()
        check_channels("in_channels", in_channels)
        check_channels("out_channels", out_channels)
        check_channels("channels", channels)
        check_choice("head", head, ("deeplabv3", "fcn"))
        self.backbone = ResNetEncoder(in_channels, blocks, bottleneck=True)
        if self.backbone.stages != 4:
            raise InputError(f"architecture argument blocks is {blocks!r}", mend="give 4 numbers of blocks")
        for stage, first, rest in ((3, 1, 2), (4, 2, 4)):
            _widen(self.backbone.get_submodule(f"layer{stage}"), first, rest)
        last = nn.Conv2d(channels, out_channels, 1)
        if head == "fcn":
            convolution = nn.Conv2d(2048, channels, 3, padding=1, bias=False)
            self.classifier = nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU(), nn.Identity(), last)
        else:
            convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            aspp = Aspp(2048, channels, rates, depthwise=False)
            self.classifier = nn.Sequential(aspp, convolution, nn.BatchNorm2d(channels), nn.ReLU(), last)

    def forward(self, x: Tensor) -> Tensor:
        found = self.classifier(self.backbone(x)[-1])
        return F.interpolate(found, size=(x.shape[2], x.shape[3]), mode="bilinear", align_corners=False)


def _widen(stage: nn.Module, first: int, rest: int) -> None:
    """Rates of a stage's 3×3 convolutions, which no longer stride; its first block has the rate of the stage before."""
    for number, block in enumerate(stage.children()):
        for convolution in block.modules():
            if isinstance(convolution, nn.Conv2d):
                convolution.stride = (1, 1)
                if convolution.kernel_size == (3, 3):
                    rate = rest if number else first
                    convolution.dilation = convolution.padding = (rate, rate)
