"""U-Nets as they circulate, written anew for tests: only the names and shapes of tensors follow the public weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Running statistics and norms as after training; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.ndim == 1 and tensor.is_floating_point():
            tensor.copy_(tensor + 0.3 * torch.randn(tensor.shape, generator=generator))
    return network.eval()


def double(before: int, after: int, middle: int | None = None, norm: bool = True, bias: bool = True) -> nn.Sequential:
    middle = middle or after
    layers: list[nn.Module] = []
    for source, target in ((before, middle), (middle, after)):
        layers.append(nn.Conv2d(source, target, 3, padding=1, bias=bias))
        layers += [nn.BatchNorm2d(target)] if norm else []
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class IncDownUp(nn.Module):
    """Names inc.double_conv.0, down1.maxpool_conv.1.double_conv.0, up1.up, up1.conv.double_conv.0, outc.conv."""

    def __init__(
        self, width: int = 4, bilinear: bool = False, old: bool = False, channels: int = 1, classes: int = 2
    ) -> None:
        super().__init__()
        self.bilinear = bilinear
        inner, outer, down = ("conv", "conv", "mpconv") if old else ("double_conv", "conv", "maxpool_conv")

        def named(block: nn.Sequential) -> nn.Module:
            module = nn.Module()
            module.add_module(inner, block)
            return module

        factor = 2 if bilinear else 1
        wide = [width, 2 * width, 4 * width, 8 * width, 16 * width // factor]
        if old:
            self.inc = nn.Module()
            self.inc.conv = named(double(channels, width))
        else:
            self.inc = named(double(channels, width))
        for level in range(1, 5):
            module = nn.Module()
            module.add_module(down, nn.Sequential(nn.MaxPool2d(2), named(double(wide[level - 1], wide[level]))))
            setattr(self, f"down{level}", module)
        before = wide[4]
        for number, skip in enumerate(wide[3::-1], start=1):
            module = nn.Module()
            raised = before if bilinear else before // 2
            if not bilinear:
                module.up = nn.ConvTranspose2d(before, raised, 2, stride=2)
            after = skip // (2 if bilinear and number < 4 else 1)
            module.add_module(outer, named(double(skip + raised, after, (skip + raised) // 2 if bilinear else None)))
            setattr(self, f"up{number}", module)
            before = after
        self.outc = nn.Module()
        self.outc.conv = nn.Conv2d(before, classes, 1)
        self.inner, self.down, self.old = inner, down, old

    def forward(self, x: Tensor) -> Tensor:
        first = self.inc.conv if self.old else self.inc
        values = [getattr(first, self.inner)(x)]
        for level in range(1, 5):
            pool, block = getattr(getattr(self, f"down{level}"), self.down)
            values.append(getattr(block, self.inner)(pool(values[-1])))
        x = values.pop()
        for number in range(1, 5):
            up = getattr(self, f"up{number}")
            if self.bilinear:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            else:
                x = up.up(x)
            skip = values.pop()
            rows, columns = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
            x = F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
            x = getattr(up.conv, self.inner)(torch.cat([skip, x], 1))
        return self.outc.conv(x)


class BrainHub(nn.Module):
    """Names encoder1.enc1conv1, bottleneck.bottleneckconv1, upconv4, decoder4.dec4conv1, conv; ends in a sigmoid."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        before = 3
        for level in range(1, 6):
            after = width * 2 ** (level - 1)
            name, short = (f"encoder{level}", f"enc{level}") if level < 5 else ("bottleneck", "bottleneck")
            setattr(self, name, self._block(short, before, after))
            before = after
        for level in range(4, 0, -1):
            after = width * 2 ** (level - 1)
            setattr(self, f"upconv{level}", nn.ConvTranspose2d(2 * after, after, 2, stride=2))
            setattr(self, f"decoder{level}", self._block(f"dec{level}", 2 * after, after))
        self.conv = nn.Conv2d(width, 1, 1)

    @staticmethod
    def _block(name: str, before: int, after: int) -> nn.Sequential:
        block = nn.Sequential()
        for number, source in ((1, before), (2, after)):
            block.add_module(f"{name}conv{number}", nn.Conv2d(source, after, 3, padding=1, bias=False))
            block.add_module(f"{name}norm{number}", nn.BatchNorm2d(after))
            block.add_module(f"{name}relu{number}", nn.ReLU())
        return block

    def forward(self, x: Tensor) -> Tensor:
        values = []
        for level in range(1, 5):
            values.append(getattr(self, f"encoder{level}")(x))
            x = F.max_pool2d(values[-1], 2)
        x = self.bottleneck(x)
        for level in range(4, 0, -1):
            x = getattr(self, f"decoder{level}")(torch.cat((getattr(self, f"upconv{level}")(x), values.pop()), 1))
        return torch.sigmoid(self.conv(x))


class UpConv(nn.Module):
    """Names Conv1.conv.0, Up5.up.1, Up_conv5.conv.0, Conv_1x1; nearest upsampling."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        wide = [1, *(width * 2**level for level in range(5))]
        for level in range(1, 6):
            block = nn.Module()
            block.conv = double(wide[level - 1], wide[level])
            setattr(self, f"Conv{level}", block)
        for level in range(5, 1, -1):
            up, block = nn.Module(), nn.Module()
            up.up = nn.Sequential(
                nn.Upsample(scale_factor=2),
                nn.Conv2d(wide[level], wide[level - 1], 3, padding=1),
                nn.BatchNorm2d(wide[level - 1]),
                nn.ReLU(),
            )
            block.conv = double(wide[level], wide[level - 1])
            setattr(self, f"Up{level}", up)
            setattr(self, f"Up_conv{level}", block)
        self.Conv_1x1 = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        values = [self.Conv1.conv(x)]
        for level in range(2, 6):
            values.append(getattr(self, f"Conv{level}").conv(F.max_pool2d(values[-1], 2)))
        x = values.pop()
        for level in range(5, 1, -1):
            x = getattr(self, f"Up_conv{level}").conv(torch.cat((values.pop(), getattr(self, f"Up{level}").up(x)), 1))
        return self.Conv_1x1(x)


class DoubleDown(nn.Module):
    """Names dconv_down1.0, dconv_up3.0, conv_last; bilinear with aligned corners, no norm."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        wide = [3, *(width * 2**level for level in range(4))]
        for level in range(1, 5):
            setattr(self, f"dconv_down{level}", double(wide[level - 1], wide[level], norm=False))
        for level in range(3, 0, -1):
            setattr(self, f"dconv_up{level}", double(wide[level] + wide[level + 1], wide[level], norm=False))
        self.conv_last = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        values = [self.dconv_down1(x)]
        for level in range(2, 5):
            values.append(getattr(self, f"dconv_down{level}")(F.max_pool2d(values[-1], 2)))
        x = values.pop()
        for level in range(3, 0, -1):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = getattr(self, f"dconv_up{level}")(torch.cat((x, values.pop()), 1))
        return self.conv_last(x)


class DownsUps(nn.Module):
    """Names downs.0.conv.0, bottleneck.conv.0, ups.0, ups.1.conv.0, final_conv."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        wide = [3, *(width * 2**level for level in range(5))]

        def block(before: int, after: int) -> nn.Module:
            module = nn.Module()
            module.conv = double(before, after, bias=False)
            return module

        self.downs = nn.ModuleList(block(wide[level], wide[level + 1]) for level in range(4))
        self.bottleneck = block(wide[4], wide[5])
        self.ups = nn.ModuleList()
        for level in range(4, 0, -1):
            self.ups.append(nn.ConvTranspose2d(wide[level + 1], wide[level], 2, stride=2))
            self.ups.append(block(2 * wide[level], wide[level]))
        self.final_conv = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        values = []
        for level in self.downs:
            values.append(level.conv(x))
            x = F.max_pool2d(values[-1], 2)
        x = self.bottleneck.conv(x)
        for number in range(0, len(self.ups), 2):
            x = self.ups[number + 1].conv(torch.cat((values.pop(), self.ups[number](x)), 1))
        return self.final_conv(x)


class Gated(UpConv):
    """As `UpConv` with attention gates: Att5.W_g.0, Att5.W_x.0, Att5.psi.0."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        for level in range(5, 1, -1):
            skip, inner = width * 2 ** (level - 2), max(2, width * 2 ** (level - 3))
            gate = nn.Module()
            gate.W_g = nn.Sequential(nn.Conv2d(skip, inner, 1), nn.BatchNorm2d(inner))
            gate.W_x = nn.Sequential(nn.Conv2d(skip, inner, 1), nn.BatchNorm2d(inner))
            gate.psi = nn.Sequential(nn.Conv2d(inner, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())
            setattr(self, f"Att{level}", gate)

    def forward(self, x: Tensor) -> Tensor:
        values = [self.Conv1.conv(x)]
        for level in range(2, 6):
            values.append(getattr(self, f"Conv{level}").conv(F.max_pool2d(values[-1], 2)))
        x = values.pop()
        for level in range(5, 1, -1):
            gate, skip, up = getattr(self, f"Att{level}"), values.pop(), getattr(self, f"Up{level}").up(x)
            skip = skip * gate.psi(torch.relu(gate.W_g(up) + gate.W_x(skip)))
            x = getattr(self, f"Up_conv{level}").conv(torch.cat((skip, up), 1))
        return self.Conv_1x1(x)


class Numbered(nn.Module):
    """Names conv0_0.conv1, conv0_0.bn1, …, final: a U-Net or all of UNet++; bilinear with corners aligned."""

    def __init__(self, width: int = 4, nested: bool = True, heads: bool = False) -> None:
        super().__init__()
        wide, self.nested, self.heads = [width * 2**level for level in range(5)], nested, heads
        for level in range(5):
            for rise in range(5 - level):
                if rise and not nested and rise != 4 - level:
                    continue
                before = (rise if nested else 1) * wide[level] + wide[level + 1] if rise else ([3, *wide])[level]
                block = nn.Module()
                block.conv1, block.bn1 = nn.Conv2d(before, wide[level], 3, padding=1), nn.BatchNorm2d(wide[level])
                block.conv2, block.bn2 = nn.Conv2d(wide[level], wide[level], 3, padding=1), nn.BatchNorm2d(wide[level])
                setattr(self, f"conv{level}_{rise}", block)
        for name in ("final1", "final2", "final3", "final4") if heads else ("final",):
            setattr(self, name, nn.Conv2d(width, 2, 1))

    def _run(self, level: int, rise: int, *values: Tensor) -> Tensor:
        block = getattr(self, f"conv{level}_{rise}")
        x = torch.relu(block.bn1(block.conv1(torch.cat(values, 1))))
        return torch.relu(block.bn2(block.conv2(x)))

    def forward(self, x: Tensor) -> Tensor:
        def up(value: Tensor) -> Tensor:
            return F.interpolate(value, scale_factor=2, mode="bilinear", align_corners=True)

        made = {(0, 0): self._run(0, 0, x)}
        for level in range(1, 5):
            made[level, 0] = self._run(level, 0, F.max_pool2d(made[level - 1, 0], 2))
        if self.nested:
            for rise in range(1, 5):
                for level in range(5 - rise):
                    row = [made[level, number] for number in range(rise)]
                    made[level, rise] = self._run(level, rise, *row, up(made[level + 1, rise - 1]))
            return (self.final4 if self.heads else self.final)(made[0, 4])
        x = made[4, 0]
        for level in range(3, -1, -1):
            x = self._run(level, 4 - level, made[level, 0], up(x))
        return self.final(x)


class ShortNames(nn.Module):
    """Names e1.conv.conv1, e1.conv.bn1, b.conv1, d1.up, d1.conv.conv1, outputs."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        wide = [3, *(width * 2**level for level in range(5))]

        def block(before: int, after: int) -> nn.Module:
            module = nn.Module()
            for number, source in ((1, before), (2, after)):
                module.add_module(f"conv{number}", nn.Conv2d(source, after, 3, padding=1))
                module.add_module(f"bn{number}", nn.BatchNorm2d(after))
            return module

        for level in range(1, 5):
            module = nn.Module()
            module.conv = block(wide[level - 1], wide[level])
            setattr(self, f"e{level}", module)
        self.b = block(wide[4], wide[5])
        for number in range(1, 5):
            module = nn.Module()
            module.up = nn.ConvTranspose2d(wide[6 - number], wide[5 - number], 2, stride=2)
            module.conv = block(2 * wide[5 - number], wide[5 - number])
            setattr(self, f"d{number}", module)
        self.outputs = nn.Conv2d(width, 1, 1)

    @staticmethod
    def run(block: nn.Module, x: Tensor) -> Tensor:
        for number in (1, 2):
            x = F.relu(getattr(block, f"bn{number}")(getattr(block, f"conv{number}")(x)))
        return x

    def forward(self, x: Tensor) -> Tensor:
        values = []
        for level in range(1, 5):
            values.append(self.run(getattr(self, f"e{level}").conv, x))
            x = F.max_pool2d(values[-1], 2)
        x = self.run(self.b, x)
        for number in range(1, 5):
            level = getattr(self, f"d{number}")
            x = self.run(level.conv, torch.cat((level.up(x), values.pop()), 1))
        return self.outputs(x)


class SemiSupervised(nn.Module):
    """Names encoder.in_conv.conv_conv.0, encoder.down1.maxpool_conv.1.conv_conv.0, decoder.up1.up (or conv1x1),
    decoder.up1.conv.conv_conv.0, decoder.out_conv; LeakyReLU, and heads for deep supervision with ``heads``."""

    def __init__(self, width: int = 4, bilinear: bool = False, heads: bool = False) -> None:
        super().__init__()
        wide = [1, *(width * 2**level for level in range(5))]

        def block(before: int, after: int) -> nn.Module:
            module = nn.Module()
            layers: list[nn.Module] = []
            for source in (before, after):
                layers += [
                    nn.Conv2d(source, after, 3, padding=1),
                    nn.BatchNorm2d(after),
                    nn.LeakyReLU(),
                    nn.Dropout(0.1),
                ]
            module.conv_conv = nn.Sequential(*layers[:-1])
            return module

        self.encoder, self.decoder, self.bilinear = nn.Module(), nn.Module(), bilinear
        self.encoder.in_conv = block(1, wide[1])
        for level in range(1, 5):
            module = nn.Module()
            module.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), block(wide[level], wide[level + 1]))
            setattr(self.encoder, f"down{level}", module)
        for number in range(1, 5):
            module, before, after = nn.Module(), wide[6 - number], wide[5 - number]
            if bilinear:
                module.conv1x1 = nn.Conv2d(before, after, 1)
            else:
                module.up = nn.ConvTranspose2d(before, after, 2, stride=2)
            module.conv = block(2 * after, after)
            setattr(self.decoder, f"up{number}", module)
            if heads:
                setattr(self.decoder, f"out_conv_dp{number}", nn.Conv2d(wide[number], 3, 3, padding=1))
        self.decoder.out_conv = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        values = [self.encoder.in_conv.conv_conv(x)]
        for level in range(1, 5):
            pool, block = getattr(self.encoder, f"down{level}").maxpool_conv
            values.append(block.conv_conv(pool(values[-1])))
        x = values.pop()
        for number in range(1, 5):
            level = getattr(self.decoder, f"up{number}")
            if self.bilinear:
                x = F.interpolate(level.conv1x1(x), scale_factor=2, mode="bilinear", align_corners=True)
            else:
                x = level.up(x)
            x = level.conv.conv_conv(torch.cat((values.pop(), x), 1))
        return self.decoder.out_conv(x)


class OneHead(UpConv):
    """As `UpConv`, whose head is called Conv."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.Conv = self.Conv_1x1
        del self.Conv_1x1

    def forward(self, x: Tensor) -> Tensor:
        self.__dict__["Conv_1x1"] = self.Conv
        return super().forward(x)


class OneHeadGated(Gated):
    """As `Gated`, whose head is called Conv."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.Conv = self.Conv_1x1
        del self.Conv_1x1

    def forward(self, x: Tensor) -> Tensor:
        self.__dict__["Conv_1x1"] = self.Conv
        return super().forward(x)


class DownConvs(nn.Module):
    """Names down_convs.0.conv1, up_convs.0.upconv (bilinear: up_convs.0.upconv.1), conv_final; no norms."""

    def __init__(self, width: int = 4, bilinear: bool = False) -> None:
        super().__init__()
        wide = [3, *(width * 2**level for level in range(4))]

        def block(before: int, after: int) -> nn.Module:
            module = nn.Module()
            module.conv1, module.conv2 = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
            return module

        self.down_convs = nn.ModuleList(block(wide[n], wide[n + 1]) for n in range(4))
        self.up_convs = nn.ModuleList()
        for before, after in zip(wide[4:1:-1], wide[3:0:-1], strict=True):
            module = block(2 * after, after)
            if bilinear:
                module.upconv = nn.Sequential(nn.Upsample(mode="bilinear", scale_factor=2), nn.Conv2d(before, after, 1))
            else:
                module.upconv = nn.ConvTranspose2d(before, after, 2, stride=2)
            self.up_convs.append(module)
        self.conv_final = nn.Conv2d(width, 2, 1)

    @staticmethod
    def run(block: nn.Module, x: Tensor) -> Tensor:
        return F.relu(block.conv2(F.relu(block.conv1(x))))

    def forward(self, x: Tensor) -> Tensor:
        values = []
        for number, level in enumerate(self.down_convs):
            x = self.run(level, F.max_pool2d(x, 2) if number else x)
            values.append(x)
        values.pop()
        for level in self.up_convs:
            x = self.run(level, torch.cat((level.upconv(x), values.pop()), 1))
        return self.conv_final(x)
