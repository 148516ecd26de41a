/** *Admin*: everybody's sessions, what they use, and the audit log. */

import { AuditSearch } from './audit';
import { Usage } from './usage';
import { Wall } from './wall';

export function Admin() {
  return (
    <>
      <Wall />
      <Usage />
      <AuditSearch />
    </>
  );
}
