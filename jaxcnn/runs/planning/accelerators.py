"""Accelerators to plan for: their peaks, as their makers publish them."""

from typing import NamedTuple


class Accelerator(NamedTuple):
    """One device.

    Attributes:
      name: of the device.
      bfloat16_flops: peak, floating-point operations per second, without sparsity.
      float32_flops: the same of matrix products of float32, as XLA computes them by default: on a
        TPU from bfloat16 parts, on an H100 in TensorFloat-32.
      memory_bytes: of the device.
      memory_bandwidth: bytes per second between it and the device.
      link_bandwidth: bytes per second that leave the device for the others of its slice or machine;
        makers give twice that, both directions together.
    """

    name: str
    bfloat16_flops: float
    float32_flops: float
    memory_bytes: float
    memory_bandwidth: float
    link_bandwidth: float

    def peak_flops(self, compute_dtype: str) -> float:
        """Give the peak for layers that compute in "bfloat16" or "float32"."""
        return self.bfloat16_flops if compute_dtype == "bfloat16" else self.float32_flops


class Machine(NamedTuple):
    """Some accelerators that train together.

    Attributes:
      name: what it is called.
      accelerator: its devices.
      num_devices: how many.
    """

    name: str
    accelerator: Accelerator
    num_devices: int


# https://docs.cloud.google.com/tpu/docs/v5e: 197 TFLOPs, 16 GB, 819 GBps, 400 GBps both ways.
TPU_V5E = Accelerator("TPU v5e", 197e12, 197e12, 16e9, 819e9, 200e9)
# https://docs.cloud.google.com/tpu/docs/v5p: 459 TFLOPs, 95 GB, 2,765 GBps, 1,200 GBps both ways.
TPU_V5P = Accelerator("TPU v5p", 459e12, 459e12, 95e9, 2765e9, 600e9)
# NVIDIA's data sheet of the H100 SXM: 1,979 TFLOPS of bfloat16 and 989 of TensorFloat-32 with
# sparsity, half of each without; 80 GB, 3.35 TB/s, NVLink 900 GB/s both ways.
H100 = Accelerator("H100 SXM", 989e12, 494e12, 80e9, 3350e9, 450e9)
# Its chip is the H100's; NVIDIA's data sheet of the H200 SXM: 141 GB, 4.8 TB/s.
H200 = H100._replace(name="H200 SXM", memory_bytes=141e9, memory_bandwidth=4800e9)

MACHINES = (
    Machine("v5e-8", TPU_V5E, 8),
    Machine("v5p-64", TPU_V5P, 32),  # the name counts cores, two per accelerator
    Machine("8 x H100", H100, 8),
)


def find_accelerator(device_kind: str) -> Accelerator | None:
    """Look up the chip that JAX names so; None where its peaks are not known here.

    Example:
      >>> find_accelerator("NVIDIA H100 80GB HBM3").name
      'H100 SXM'
      >>> find_accelerator("cpu")
    """
    named = {"H100": H100, "H200": H200, "TPU v5 lite": TPU_V5E}
    is_sxm = not any(word in device_kind for word in ("PCIe", "NVL"))  # those are slower
    return next((chip for name, chip in named.items() if name in device_kind and is_sxm), None)
