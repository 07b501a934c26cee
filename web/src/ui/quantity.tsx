// How many: a number between two buttons.
import { useText } from '@/i18n';

interface QuantityProps {
  value: number;
  onChange: (value: number) => void;
  most?: number;
  label: string;
}

export function Quantity({ value, onChange, most = 100_000, label }: QuantityProps) {
  const { t } = useText();
  const set = (wanted: number) => onChange(Math.min(most, Math.max(1, Math.floor(wanted) || 1)));
  return (
    <span className="quantity" role="group" aria-label={label}>
      <button type="button" aria-label={t('common.less')} disabled={value <= 1} onClick={() => set(value - 1)}>−</button>
      <input inputMode="numeric" aria-label={label} value={value} onChange={(event) => set(Number(event.target.value.replace(/\D/g, '')))} />
      <button type="button" aria-label={t('common.more')} disabled={value >= most} onClick={() => set(value + 1)}>+</button>
    </span>
  );
}
