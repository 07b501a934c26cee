// Short words at the edge of the page after something was done. Screen readers hear them; they go away by themselves.
import { create } from 'zustand';

interface Notice {
  number: number;
  text: string;
  tone: 'good' | 'plain';
}

interface Notices {
  notices: Notice[];
  say: (text: string, tone?: Notice['tone']) => void;
}

const SHOWN_MS = 4500;
let last = 0;

export const useNotices = create<Notices>()((set) => ({
  notices: [],
  say: (text, tone = 'good') => {
    last += 1;
    const number = last;
    set(({ notices }) => ({ notices: [...notices.slice(-2), { number, text, tone }] }));
    setTimeout(() => set(({ notices }) => ({ notices: notices.filter((notice) => notice.number !== number) })), SHOWN_MS);
  },
}));

export function NoticeBoard() {
  const notices = useNotices((state) => state.notices);
  return (
    <div className="notices" role="status" aria-live="polite">
      {notices.map((notice) => (
        <p key={notice.number} className={`notice notice-${notice.tone}`}>
          {notice.text}
        </p>
      ))}
    </div>
  );
}
