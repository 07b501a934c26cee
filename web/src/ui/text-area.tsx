// Several lines of text. It grows by the style sheet: measuring it with a hidden twin, as component sets do, takes
// inline styles, which the security policy forbids.
import type { ComponentProps } from 'react';

export function TextArea({ className = '', ...rest }: ComponentProps<'textarea'>) {
  return <textarea rows={2} className={`text-area ${className}`} {...rest} />;
}
