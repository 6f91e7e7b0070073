"""How a sensor's unit becomes the byte that IPMI carries (IPMI 2.0, section 36.3)."""

from dataclasses import dataclass

from lab.rack import SensorKind


@dataclass(frozen=True)
class Scale:
    """reading = raw * ``factor`` * 10**``exponent``; unit codes from IPMI 2.0 table 43-15."""

    sensor_type: int
    entity: int
    unit_code: int
    unit: str
    factor: int
    exponent: int

    @property
    def step(self) -> float:
        """What one count of the raw byte is worth, in ``unit``."""
        return float(self.factor * 10.0**self.exponent)

    @property
    def highest(self) -> float:
        """The largest reading that the byte can carry, in ``unit``."""
        return 255 * self.step

    def raw(self, value: float) -> int:
        """The nearest raw byte; readings outside the range are clipped."""
        return max(0, min(255, round(value / self.step)))


SCALES = {
    SensorKind.TEMPERATURE: Scale(0x01, 0x07, 1, "degrees C", 1, 0),
    SensorKind.FAN: Scale(0x04, 0x1D, 18, "RPM", 100, 0),
    SensorKind.VOLTAGE: Scale(0x02, 0x07, 4, "V", 6, -2),
    SensorKind.POWER: Scale(0x0B, 0x07, 6, "W", 4, 0),
}
