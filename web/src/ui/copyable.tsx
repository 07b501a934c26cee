// A number that somebody will want to paste elsewhere. Long ones are cut in the middle; the copy is whole.
import { useText } from '@/i18n';
import { CopyIcon } from './icons';
import { useNotices } from './notices';

export function Copyable({ text, label, shownLength }: { text: string; label?: string; shownLength?: number }) {
  const { t } = useText();
  const say = useNotices((state) => state.say);
  const shown = label ?? (shownLength && text.length > shownLength ? `${text.slice(0, shownLength)}…` : text);
  const copy = async () => {
    await navigator.clipboard?.writeText(text);
    say(t('common.copied'), 'plain');
  };
  return (
    <button type="button" className="copyable" title={text} onClick={() => void copy()} aria-label={`${t('common.copy')} ${label ?? text}`}>
      <span>{shown}</span>
      <CopyIcon />
    </button>
  );
}
