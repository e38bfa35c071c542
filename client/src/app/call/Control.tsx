import { Icon, type IconName } from '../components/Icon';

interface ControlProps {
  icon: IconName;
  label: string;
  act: () => void;
  pressed?: boolean;
  disabled?: boolean;
  danger?: boolean;
  badge?: number;
}

/** A round button among the controls of a room. */
export function Control({ icon, label, act, pressed, disabled, danger, badge = 0 }: ControlProps) {
  return (
    <button
      type="button"
      className={danger ? 'control control-danger' : 'control'}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={act}
    >
      <Icon name={icon} />
      {badge > 0 && <span className="badge">{Math.min(badge, 99)}</span>}
    </button>
  );
}
