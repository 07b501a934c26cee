// The few drawings that the pages use. They are ornaments: whoever uses one gives the words.
import type { ReactNode } from 'react';

function Drawing({ children }: { children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" width="1em" height="1em" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const BasketIcon = () => <Drawing><path d="M3 8h14l-1.4 7.6a1.5 1.5 0 0 1-1.5 1.2H5.9a1.5 1.5 0 0 1-1.5-1.2L3 8ZM6.500 8 9 3M13.500 8 11 3" /></Drawing>;
export const PersonIcon = () => <Drawing><circle cx="10" cy="6.500" r="3.200" /><path d="M3.500 17c.7-3.400 3.300-5 6.500-5s5.800 1.600 6.500 5" /></Drawing>;
export const SunIcon = () => <Drawing><circle cx="10" cy="10" r="3.400" /><path d="M10 2v1.800M10 16.200V18M2 10h1.800M16.200 10H18M4.300 4.300l1.300 1.300M14.400 14.400l1.300 1.300M4.300 15.700l1.300-1.300M14.400 5.600l1.300-1.300" /></Drawing>;
export const MoonIcon = () => <Drawing><path d="M16.500 12A7 7 0 0 1 8 3.500a7 7 0 1 0 8.500 8.500Z" /></Drawing>;
export const CloseIcon = () => <Drawing><path d="m5 5 10 10M15 5 5 15" /></Drawing>;
export const CheckIcon = () => <Drawing><path d="m4 10.500 4 4 8-9" /></Drawing>;
export const SearchIcon = () => <Drawing><circle cx="9" cy="9" r="5.200" /><path d="m13 13 4 4" /></Drawing>;
export const WarnIcon = () => <Drawing><path d="M10 3 2.500 16.500h15L10 3ZM10 8v4M10 14.200v.1" /></Drawing>;
export const CopyIcon = () => <Drawing><rect x="7" y="7" width="9.500" height="9.500" rx="1.500" /><path d="M13 7V4.500A1 1 0 0 0 12 3.500H4.500a1 1 0 0 0-1 1V12a1 1 0 0 0 1 1H7" /></Drawing>;
export const BackIcon = () => <Drawing><path d="M16 10H4M9 5l-5 5 5 5" /></Drawing>;
export const TrashIcon = () => <Drawing><path d="M4 6h12M8 6V4h4v2M5.500 6l.8 10.500h7.400L14.500 6" /></Drawing>;
